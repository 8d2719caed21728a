-- Laboratory results as document 1 names them in section 3.3 (F1-117 to
-- F1-126), with the laboratory's own flag and the range as it prints it.
-- test_result is text: '<0.1', 'Positive' and 'trace' are results too.
CREATE TABLE lab_result (
  test_id              bigint unsigned NOT NULL AUTO_INCREMENT,
  patient_id           bigint NOT NULL,
  test_name            varchar(100) NOT NULL,
  test_result          varchar(255) NOT NULL DEFAULT '',
  test_units           varchar(40) NOT NULL DEFAULT '',
  reference_range_low  decimal(12,4) DEFAULT NULL,
  reference_range_high decimal(12,4) DEFAULT NULL,
  reference_range      varchar(100) NOT NULL DEFAULT '',
  test_date            datetime NOT NULL,
  ordering_provider    varchar(100) NOT NULL DEFAULT '',
  critical_flag        tinyint(1) NOT NULL DEFAULT 0,
  abnormal_flag        varchar(8) NOT NULL DEFAULT '',
  DateTStamp           timestamp NOT NULL DEFAULT current_timestamp ON UPDATE current_timestamp,
  PRIMARY KEY (test_id),
  KEY patient_id (patient_id)
) DEFAULT CHARSET = utf8mb4;
