-- Keys of parents that were deleted or changed, one row for each reference to the parent's table: written by the
-- triggers in the transaction that deletes, or by call. A row goes when its children have been treated.
CREATE TABLE ${schema}.reconcile_deleted (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  reference     text NOT NULL,
  -- The parent's columns as an array of texts, in the order of the reference; NULL for a TRUNCATE: all of them.
  parent_key    jsonb,
  cause         text NOT NULL CHECK (cause IN ('DELETE', 'UPDATE', 'TRUNCATE', 'CALL', 'CASCADE')),
  urgency       smallint NOT NULL,
  captured_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  due_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  attempts      integer NOT NULL DEFAULT 0,
  rows_treated  bigint NOT NULL DEFAULT 0,
  -- Its children are walked twice by their key: past those that somebody has locked, then waiting for them.
  waits         boolean NOT NULL DEFAULT false,
  -- Key of the last child that the walk has reached.
  walked_to     jsonb,
  -- Why nobody goes on with it by himself, such as a limit that was exceeded; NULL while it is to be treated.
  held_because  text,
  -- Somebody has seen how much it is and wants it, or it was counted with the delete that it is a part of.
  confirmed     boolean NOT NULL DEFAULT coalesce(current_setting('pgbelay.reconcile_confirmed', true) = 'true', false),
  -- Of what is kept of its children in reconcile_undo.
  batch         uuid NOT NULL DEFAULT gen_random_uuid(),
  CHECK ((parent_key IS NULL) = (cause = 'TRUNCATE'))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX reconcile_deleted_due ON ${schema}.reconcile_deleted (urgency, due_at, id) WHERE held_because IS NULL;
CREATE INDEX reconcile_deleted_key ON ${schema}.reconcile_deleted (reference, parent_key);
-- Counted and aged by reference, held or not.
CREATE INDEX reconcile_deleted_waiting ON ${schema}.reconcile_deleted (reference, captured_at) WHERE held_because IS NULL;
CREATE INDEX reconcile_deleted_held ON ${schema}.reconcile_deleted (reference, captured_at) WHERE held_because IS NOT NULL;
