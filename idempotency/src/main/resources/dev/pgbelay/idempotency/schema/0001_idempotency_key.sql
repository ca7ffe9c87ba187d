-- What was answered under each key of a simple operation. A row is written once, in the transaction of the work itself, and
-- never updated: no dead version is left behind.
CREATE TABLE ${schema}.idempotency_key (
  created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  fingerprint_version smallint NOT NULL,
  operation           text COLLATE "C" NOT NULL,
  tenant              text COLLATE "C" NOT NULL,
  key                 text COLLATE "C" NOT NULL,
  fingerprint         bytea NOT NULL,
  response            bytea NOT NULL,
  PRIMARY KEY (tenant, operation, key)
);

-- Serves the purge, which walks each operation from its oldest answer. Grows at one end for each operation.
CREATE INDEX idempotency_key_age ON ${schema}.idempotency_key (operation, created_at, tenant, key);
