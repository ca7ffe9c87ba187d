package dev.pgbelay.keyset;

/** EXPLAIN of statements that are rendered elsewhere. */
final class ExplainSql {
  private static final String EXPLAIN = "explain (format json, verbose) %s";

  private ExplainSql() {}

  static String explain(String statement) {
    return EXPLAIN.formatted(statement);
  }
}
