-- One row per job that works over a table in chunks. The position moves in the transaction of the
-- chunk that it stands behind, so it is never ahead of the work and never behind it.
CREATE TABLE ${schema}.chunk_job (
  name            text PRIMARY KEY,
  -- What the job does, in short: a job under the same name that does something else is refused.
  definition      text NOT NULL,
  state           text NOT NULL DEFAULT 'ACTIVE'
                  CHECK (state IN ('ACTIVE', 'PAUSED', 'CANCELLED', 'DONE')),
  position        text,
  rows_done       bigint NOT NULL DEFAULT 0 CHECK (rows_done >= 0),
  chunks_done     bigint NOT NULL DEFAULT 0 CHECK (chunks_done >= 0),
  -- Rows of the table that the walk has passed; rows_done counts those that the work changed.
  rows_walked     bigint NOT NULL DEFAULT 0,
  rows_estimated  bigint,
  chunk_rows      integer NOT NULL CHECK (chunk_rows > 0),
  work_seconds    double precision NOT NULL DEFAULT 0,
  -- Claim: who may work, and until when nobody else may take over. Checked in every chunk.
  claimant        uuid,
  claim_number    bigint,
  lease_until     timestamptz,
  throttled_by    text,
  throttled_since timestamptz,
  started_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at     timestamptz,
  CHECK ((claimant IS NULL) = (claim_number IS NULL))
);
