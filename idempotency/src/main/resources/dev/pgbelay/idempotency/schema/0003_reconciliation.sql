-- The reconciliation under way with the provider of a step: one for each. A younger one takes the place of an older one.
-- Both tables are scratch, and empty after a crash or a fail-over: the run that they belonged to then fails.
CREATE UNLOGGED TABLE ${schema}.payment_reconciliation (
  begun_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  run       uuid NOT NULL,
  operation text COLLATE "C" NOT NULL,
  step      text COLLATE "C" NOT NULL,
  PRIMARY KEY (operation, step)
);

-- What the provider has, until it has been compared: taken out payment by payment; what stays is missing here.
CREATE UNLOGGED TABLE ${schema}.payment_provider_record (
  created_at   timestamptz NOT NULL,
  minor_units  bigint NOT NULL,
  run          uuid NOT NULL,
  -- Empty where the provider says none.
  provider_key text COLLATE "C" NOT NULL,
  id           text COLLATE "C" NOT NULL,
  state        text COLLATE "C" NOT NULL,
  currency     text COLLATE "C" NOT NULL,
  -- The payment's own, where the provider keeps them.
  tenant       text COLLATE "C",
  operation    text COLLATE "C",
  key          text COLLATE "C",
  PRIMARY KEY (run, provider_key, id)
);
