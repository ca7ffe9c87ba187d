package dev.pgbelay.core.schema;

/** The statements around DDL: timeouts and the transaction's identity. */
final class DdlSql {

  /**
   * READ COMMITTED whatever the pool's default is: what is read after waiting for a lock must not
   * come from a snapshot taken before.
   */
  static final String READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED";

  /** Bind: the timeout with its unit. Ends with the transaction. */
  static final String SET_LOCAL_LOCK_TIMEOUT =
      "SELECT pg_catalog.set_config('lock_timeout', ?, true)";

  /** Bind: a script. A transaction-local setting is the way to hand a value to a DO block. */
  static final String PASS_SCRIPT = "SELECT pg_catalog.set_config('pgbelay.script', ?, true)";

  static final String EXECUTE_SCRIPT =
      """
      DO LANGUAGE plpgsql $script$
      BEGIN
        EXECUTE pg_catalog.current_setting('pgbelay.script');
      END
      $script$""";

  static final String READ_SESSION_TIMEOUTS =
      """
      SELECT pg_catalog.current_setting('lock_timeout'),
             pg_catalog.current_setting('statement_timeout'),
             pg_catalog.pg_backend_pid()""";

  /** Binds: lock_timeout and statement_timeout, with their units. Stays with the session. */
  static final String SET_SESSION_TIMEOUTS =
      """
      SELECT pg_catalog.set_config('lock_timeout', ?, false),
             pg_catalog.set_config('statement_timeout', ?, false)""";

  private DdlSql() {}
}
