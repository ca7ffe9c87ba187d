-- Where each payment stands. A row is inserted with the first intent, updated in place at each phase, and finished once.
CREATE TABLE ${schema}.payment (
  created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- 'infinity' while it is open.
  finished_at         timestamptz NOT NULL DEFAULT 'infinity',
  -- '-infinity' where nobody has it: given back, not lost in a crash.
  lease_until         timestamptz NOT NULL,
  due_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
  asked_at            timestamptz,
  unknown_since       timestamptz,
  claimant            uuid,
  claim_number        bigint,
  steps_version       integer NOT NULL,
  attempts            integer NOT NULL DEFAULT 0,
  fingerprint_version smallint NOT NULL,
  escalated           boolean NOT NULL DEFAULT false,
  operation           text COLLATE "C" NOT NULL,
  tenant              text COLLATE "C" NOT NULL,
  key                 text COLLATE "C" NOT NULL,
  -- RUNNING, UNKNOWN, PARKED or COMPLETED.
  state               text COLLATE "C" NOT NULL,
  -- The provider step that was asked and has no result.
  asked               text COLLATE "C",
  refusal             text,
  reason              text,
  -- What a second source says about a step that has another result.
  contradiction       text,
  done                text[] NOT NULL,
  results             bytea[] NOT NULL,
  fingerprint         bytea NOT NULL,
  request             bytea NOT NULL,
  response            bytea,
  -- What its provider keys begin with, where the operation is settled by them.
  provider_key        bytea,
  PRIMARY KEY (tenant, operation, key),
  -- The purge cannot free what has no answer. The only one: PostgreSQL parses each of them anew for every INSERT and
  -- UPDATE, which costs about as much as writing into another index.
  CHECK ((response IS NULL) = (finished_at = 'infinity'))
) WITH (fillfactor = 70);

-- Open ones stand at the end of it, and the oldest finished ones, which the purge takes, at its beginning. No update but
-- the last one touches it. Nobody who looks for one payment knows when it was finished: with the time first this index is
-- not taken for the primary key's by a planner that has no statistics.
CREATE INDEX payment_finished ON ${schema}.payment (finished_at, operation, tenant, key);

-- Empty unless an operation asks for it.
CREATE INDEX payment_provider_key ON ${schema}.payment (provider_key) WHERE provider_key IS NOT NULL;

-- Empty as long as providers say the same twice.
CREATE INDEX payment_contradiction ON ${schema}.payment (operation, tenant, key)
 WHERE contradiction IS NOT NULL;
