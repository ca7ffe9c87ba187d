ALTER TABLE ${schema}.note ADD COLUMN author text;
COMMENT ON TABLE ${schema}.note IS 'made by a test';
