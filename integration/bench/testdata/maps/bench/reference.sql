create table reference (id bigint not null, patient bigint not null, name varchar(100) not null, code varchar(20) not null,
 value_text varchar(255), value_num decimal(12,4), low decimal(12,4), high decimal(12,4), unit varchar(40), taken datetime, reported datetime(3),
 changed timestamp not null default current_timestamp, flag tinyint, critical tinyint(1), provider varchar(100), site varchar(60), panel bigint,
 status enum('new','final','corrected'), weight double, height double, birth date, comment_text varchar(255), batch int unsigned, version int, primary key (id));
