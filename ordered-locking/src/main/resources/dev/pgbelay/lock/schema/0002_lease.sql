-- One row per name that was ever leased. It stays when the lease ends, because the fencing token must go on growing.
CREATE TABLE ${schema}.lease (
  name          text PRIMARY KEY,
  -- Grows with each grant: by one, or to the start of the numbers of a new timeline.
  fencing_token bigint NOT NULL,
  -- Claim: who holds it, and until when nobody else may take it. Checked in every statement about it.
  claimant      uuid,
  claim_number  bigint,
  lease_until   timestamptz,
  holder        text,
  acquired_at   timestamptz,
  renewed_at    timestamptz,
  CHECK ((claimant IS NULL) = (claim_number IS NULL)),
  CHECK ((claimant IS NULL) = (lease_until IS NULL))
) WITH (fillfactor = 50);
