-- One row per pass of the checker over one declaration. At most one is open: who comes meanwhile joins it or is turned
-- away, and who comes after a crash goes on with it.
CREATE TABLE ${schema}.reconcile_run (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  declaration   text NOT NULL,
  -- Of the declarations, when the run began.
  version       text NOT NULL,
  mode          text NOT NULL CHECK (mode IN ('FULL', 'INCREMENTAL')),
  started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at   timestamptz,
  -- Only CLEAN and FINDINGS are whole runs; of an INCOMPLETE one nothing follows about the rows that it did not reach.
  outcome       text CHECK (outcome IN ('CLEAN', 'FINDINGS', 'INCOMPLETE')),
  -- When the first look had passed every row that the run is about; what comes after only confirms.
  scanned_at    timestamptz,
  -- What an incremental run looks at: rows with a time of change from one to the other.
  changed_from  timestamptz,
  changed_until timestamptz,
  -- Before it nobody began who may write behind this run's back: where the next incremental run begins. NULL where that
  -- is not known.
  next_from     timestamptz,
  -- How far it came through the deletes that were captured, and the trigger that captures them, by its oid.
  deletes_after bigint NOT NULL DEFAULT 0,
  capture_id    bigint,
  -- What there is to look at: the planner's estimate when the run began.
  rows_in_scope bigint,
  -- Rows for which the declaration says something; those of the walk for which it does not (a NULL in a reference).
  rows_checked  bigint NOT NULL DEFAULT 0,
  rows_skipped  bigint NOT NULL DEFAULT 0,
  candidates    bigint NOT NULL DEFAULT 0,
  -- Candidates that were counted and not kept, because there were more than the run may keep.
  not_kept      bigint NOT NULL DEFAULT 0,
  confirmed     bigint NOT NULL DEFAULT 0,
  unsettled     bigint NOT NULL DEFAULT 0,
  resolved      bigint NOT NULL DEFAULT 0,
  -- Why it is incomplete, or who was waited for in vain.
  reason        text,
  CHECK ((finished_at IS NULL) = (outcome IS NULL)),
  CHECK ((mode = 'INCREMENTAL') = (changed_from IS NOT NULL AND changed_until IS NOT NULL))
);

CREATE UNIQUE INDEX reconcile_run_open ON ${schema}.reconcile_run (declaration) WHERE finished_at IS NULL;
CREATE INDEX reconcile_run_latest ON ${schema}.reconcile_run (declaration, started_at);

-- What was seen to be wrong, once however many runs see it.
CREATE TABLE ${schema}.reconcile_finding (
  id              bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  declaration     text NOT NULL,
  -- The primary key of the row (the key of the query, for such an invariant), as an array of the columns' texts.
  row_key         jsonb NOT NULL,
  state           text NOT NULL CHECK (state IN ('CANDIDATE', 'CONFIRMED', 'REPAIRED', 'RESOLVED')),
  evidence        jsonb NOT NULL,
  -- A candidate is confirmed only if what was wrong has been the same since then.
  evidence_since  timestamptz NOT NULL DEFAULT clock_timestamp(),
  first_seen      timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_seen       timestamptz NOT NULL DEFAULT clock_timestamp(),
  confirmed_at    timestamptz,
  closed_at       timestamptz,
  -- How often it came back after it was closed.
  reopened        integer NOT NULL DEFAULT 0,
  PRIMARY KEY (declaration, row_key),
  CHECK ((closed_at IS NULL) = (state IN ('CANDIDATE', 'CONFIRMED')))
);

CREATE INDEX reconcile_finding_open ON ${schema}.reconcile_finding (declaration, row_key)
  WHERE state IN ('CANDIDATE', 'CONFIRMED');

-- What a repair, or the propagation of a delete, took away or changed: enough to put it back, and the audit trail.
CREATE TABLE ${schema}.reconcile_undo (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  declaration  text NOT NULL,
  finding_id   bigint,
  -- Of one call: what is undone together.
  batch        uuid NOT NULL,
  action       text NOT NULL,
  -- Why: what the finding showed.
  evidence     jsonb,
  -- Qualified and quoted.
  table_name   text NOT NULL,
  -- Columns of the table at that time, in its order: a row's text can be read back only while they are the same.
  columns      text[] NOT NULL,
  row_key      jsonb NOT NULL,
  -- The row as the text of its composite type, which gives back every byte; NULL where there was none, or none is left.
  row_before   text,
  row_after    text,
  done_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  undone_at    timestamptz,
  CHECK (row_before IS NOT NULL OR row_after IS NOT NULL)
);

CREATE INDEX reconcile_undo_batch ON ${schema}.reconcile_undo (batch, row_key);
CREATE INDEX reconcile_undo_declaration ON ${schema}.reconcile_undo (declaration, done_at);
