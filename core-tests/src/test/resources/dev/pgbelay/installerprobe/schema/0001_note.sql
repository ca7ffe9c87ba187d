CREATE TABLE ${schema}.note (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  body text NOT NULL DEFAULT 'a ; b -- {no escape} ?',
  tags text[] NOT NULL DEFAULT '{}'
);

/* a comment; with a semicolon */
CREATE FUNCTION ${schema}.shout(input text) RETURNS text LANGUAGE plpgsql AS $body$
BEGIN
  -- a semicolon; in a comment; in a body
  IF input LIKE '%;%' THEN
    RETURN upper(input) || $inner$;$inner$;
  END IF;
  RETURN upper(input);
END;
$body$;

CREATE FUNCTION ${schema}.count_notes() RETURNS bigint LANGUAGE sql
BEGIN ATOMIC
  SELECT count(*) FROM ${schema}.note WHERE body IS NOT NULL;
END;

CREATE TRIGGER note_touch BEFORE UPDATE ON ${schema}.note
  FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
