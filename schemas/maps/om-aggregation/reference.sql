-- The aggregation table of Open Medical, one row a patient: the columns that
-- the requirement documents map (F1-001 to F1-032), and some of their
-- neighbours. The types are those that a companion document names; no public
-- DDL exists. Text is utf8mb3, money DOUBLE, and dates hold '0001-01-01' for
-- none, as in the databases that it is made from.
CREATE TABLE omaggregation (
  PatNum           bigint NOT NULL,
  AggregationKeyID varchar(64) NOT NULL,
  FName            varchar(100) NOT NULL DEFAULT '',
  LName            varchar(100) NOT NULL DEFAULT '',
  MiddleI          varchar(100) DEFAULT '',
  Preferred        varchar(100) DEFAULT '',
  Email            varchar(100) NOT NULL DEFAULT '',
  HmPhone          varchar(30) NOT NULL DEFAULT '',
  WirelessPhone    varchar(30) NOT NULL DEFAULT '',
  WkPhone          varchar(30) NOT NULL DEFAULT '',
  Address          varchar(100) NOT NULL DEFAULT '',
  Address2         varchar(100) NOT NULL DEFAULT '',
  City             varchar(100) NOT NULL DEFAULT '',
  State            varchar(100) NOT NULL DEFAULT '',
  Zip              varchar(100) NOT NULL DEFAULT '',
  Birthdate        date NOT NULL DEFAULT '0001-01-01',
  Gender           varchar(20) NOT NULL DEFAULT '',
  StatusOM         varchar(40) DEFAULT NULL,
  SubStatusOM      varchar(40) DEFAULT NULL,
  PatStatus        varchar(40) DEFAULT NULL,
  CRMtoOMSync      tinyint(1) DEFAULT NULL,
  PatCreationDate  date DEFAULT NULL,
  DateFirstVisit   date NOT NULL DEFAULT '0001-01-01',
  LCAppointment    datetime DEFAULT NULL,
  CRMUserDeleted   tinyint(1) NOT NULL DEFAULT 0,
  Guarantor        bigint NOT NULL DEFAULT 0,
  BalTotal         double NOT NULL DEFAULT 0,
  EstBalance       double NOT NULL DEFAULT 0,
  Bal_0_30         double NOT NULL DEFAULT 0,
  Bal_31_60        double NOT NULL DEFAULT 0,
  Bal_61_90        double NOT NULL DEFAULT 0,
  BalOver90        double NOT NULL DEFAULT 0,
  PayPlanDue       double NOT NULL DEFAULT 0,
  FeeSched         varchar(60) DEFAULT NULL,
  ImageFolder      varchar(100) CHARACTER SET latin1 DEFAULT '',
  DateTStamp       timestamp NOT NULL DEFAULT current_timestamp ON UPDATE current_timestamp,
  PRIMARY KEY (PatNum)
) DEFAULT CHARSET = utf8mb3;
