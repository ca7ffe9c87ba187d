-- A counter is spread over several rows, so that its writers seldom meet; its value is their sum.
-- Little of each page is filled: the rows of one counter change all the time, and each new version
-- should find room on the page of the old one (HOT) without vacuum's help.
CREATE TABLE ${schema}.slotted_counter (
  name  text NOT NULL,
  slot  smallint NOT NULL CHECK (slot >= 0),
  value bigint NOT NULL DEFAULT 0 CHECK (value >= 0),
  PRIMARY KEY (name, slot)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
