package dev.pgbelay.core.schema;

/** The statements of {@link SchemaInstaller}; the placeholder is that of the scripts. */
final class SchemaSql {

  /** Bind: the schema's name. One row with true where the schema, and where its history, exists. */
  static final String FIND_HISTORY =
      """
      SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = ?),
             EXISTS (SELECT FROM pg_catalog.pg_class c
                       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                      WHERE n.nspname = ? AND c.relname = 'pgbelay_schema_history')""";

  static final String CREATE_SCHEMA = "CREATE SCHEMA ${schema}";

  /** For printing, where it is not known whether the schema is there. */
  static final String CREATE_SCHEMA_UNLESS_THERE = "CREATE SCHEMA IF NOT EXISTS ${schema}";

  static final String CREATE_HISTORY =
      """
      CREATE TABLE IF NOT EXISTS ${schema}.pgbelay_schema_history (
        module text NOT NULL,
        number integer NOT NULL CHECK (number > 0),
        name text NOT NULL,
        checksum text NOT NULL,
        installed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
        installed_by text NOT NULL DEFAULT SESSION_USER,
        PRIMARY KEY (module, number)
      )""";

  /** Binds: the modules as text[]. */
  static final String READ_HISTORY =
      """
      SELECT module, number, name, checksum
        FROM ${schema}.pgbelay_schema_history
       WHERE module = ANY (?)
       ORDER BY module, number""";

  /** Binds: module, number, name, checksum. */
  static final String RECORD_SCRIPT =
      """
      INSERT INTO ${schema}.pgbelay_schema_history (module, number, name, checksum)
      VALUES (?, ?, ?, ?)""";

  /** For printing: module, number, name and checksum are known to hold no quote. */
  static final String RECORD_SCRIPT_PRINTED =
      """
      INSERT INTO ${schema}.pgbelay_schema_history (module, number, name, checksum)
      VALUES ('%s', %d, '%s', '%s')""";

  /** Bind: the schema's name. Held until the transaction ends, so it passes PgBouncer. */
  static final String LOCK_INSTALLER =
      """
      SELECT pg_catalog.pg_advisory_xact_lock(
        pg_catalog.hashtextextended('pgbelay schema installer ' || ?, 0))""";

  /**
   * Scripts name every object with its schema; what they forget to qualify must not land elsewhere.
   */
  static final String SEARCH_CATALOG_ONLY =
      "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)";

  private SchemaSql() {}
}
