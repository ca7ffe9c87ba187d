-- What a consumer has processed, of messages whose id says on which day it was drawn (UUID version 7). That day alone decides
-- the slot, so that an id is unique although each slot is a table of its own; a slot is emptied by TRUNCATE once no day in
-- it can still be asked for. All slots are here from the beginning: nothing has to be made in time.
CREATE TABLE ${schema}.inbox_mark (
  processed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  message_id    uuid NOT NULL,
  slot          smallint NOT NULL,
  consumer      text COLLATE "C" NOT NULL,
  PRIMARY KEY (consumer, message_id, slot)
) PARTITION BY LIST (slot);

CREATE TABLE ${schema}.inbox_mark_00 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (0);
CREATE TABLE ${schema}.inbox_mark_01 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (1);
CREATE TABLE ${schema}.inbox_mark_02 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (2);
CREATE TABLE ${schema}.inbox_mark_03 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (3);
CREATE TABLE ${schema}.inbox_mark_04 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (4);
CREATE TABLE ${schema}.inbox_mark_05 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (5);
CREATE TABLE ${schema}.inbox_mark_06 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (6);
CREATE TABLE ${schema}.inbox_mark_07 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (7);
CREATE TABLE ${schema}.inbox_mark_08 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (8);
CREATE TABLE ${schema}.inbox_mark_09 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (9);
CREATE TABLE ${schema}.inbox_mark_10 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (10);
CREATE TABLE ${schema}.inbox_mark_11 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (11);
CREATE TABLE ${schema}.inbox_mark_12 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (12);
CREATE TABLE ${schema}.inbox_mark_13 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (13);
CREATE TABLE ${schema}.inbox_mark_14 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (14);
CREATE TABLE ${schema}.inbox_mark_15 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (15);
CREATE TABLE ${schema}.inbox_mark_16 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (16);
CREATE TABLE ${schema}.inbox_mark_17 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (17);
CREATE TABLE ${schema}.inbox_mark_18 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (18);
CREATE TABLE ${schema}.inbox_mark_19 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (19);
CREATE TABLE ${schema}.inbox_mark_20 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (20);
CREATE TABLE ${schema}.inbox_mark_21 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (21);
CREATE TABLE ${schema}.inbox_mark_22 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (22);
CREATE TABLE ${schema}.inbox_mark_23 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (23);
CREATE TABLE ${schema}.inbox_mark_24 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (24);
CREATE TABLE ${schema}.inbox_mark_25 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (25);
CREATE TABLE ${schema}.inbox_mark_26 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (26);
CREATE TABLE ${schema}.inbox_mark_27 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (27);
CREATE TABLE ${schema}.inbox_mark_28 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (28);
CREATE TABLE ${schema}.inbox_mark_29 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (29);
CREATE TABLE ${schema}.inbox_mark_30 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (30);
CREATE TABLE ${schema}.inbox_mark_31 PARTITION OF ${schema}.inbox_mark FOR VALUES IN (31);

-- The same of all other ids, and of those that are processed long after their day.
CREATE TABLE ${schema}.inbox_other_mark (
  processed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  consumer      text COLLATE "C" NOT NULL,
  message_id    text COLLATE "C" NOT NULL,
  PRIMARY KEY (consumer, message_id)
);

-- Serves the purge, which begins at the oldest. Grows at one end.
CREATE INDEX inbox_other_mark_age ON ${schema}.inbox_other_mark (processed_at, consumer, message_id);
