-- Names that were locked, by the number that stands for them, so that two names with one number are noticed.
-- Rows may be deleted at any time; a name is kept again when it is locked the next time.
CREATE TABLE ${schema}.lock_name (
  key     bigint PRIMARY KEY,
  class   text NOT NULL,
  name    text NOT NULL,
  kept_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
