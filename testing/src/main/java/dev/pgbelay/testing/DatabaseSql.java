package dev.pgbelay.testing;

/** Databases for tests. Names are quoted by the driver before they are put in. */
final class DatabaseSql {
  private DatabaseSql() {}

  static final String CREATE =
      """
      CREATE DATABASE %s
      """;

  static final String CREATE_FROM_TEMPLATE =
      """
      CREATE DATABASE %s TEMPLATE %s
      """;

  static final String SET_ZONE =
      """
      ALTER DATABASE %s SET timezone TO %s
      """;

  static final String SET_SESSION_ZONE =
      """
      SET SESSION TIME ZONE %s
      """;

  static final String DROP =
      """
      DROP DATABASE IF EXISTS %s WITH (FORCE)
      """;
}
