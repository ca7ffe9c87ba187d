package dev.pgbelay.routing.pool;

final class RoleSql {
  private RoleSql() {}

  static final String IS_RECOVERING =
      """
      SELECT pg_is_in_recovery()
      """;
}
