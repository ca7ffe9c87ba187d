-- What was answered under each key of a simple operation. A row is written once, in the transaction of the work itself, and
-- never updated: no index grows twice, and no dead version is left behind.
CREATE TABLE ${schema}.idempotency_key (
  operation           text COLLATE "C" NOT NULL,
  tenant              text COLLATE "C" NOT NULL,
  key                 text COLLATE "C" NOT NULL,
  created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  fingerprint_version smallint NOT NULL,
  fingerprint         bytea NOT NULL,
  response            bytea NOT NULL,
  PRIMARY KEY (tenant, operation, key)
);
