package dev.pgbelay.testing;

/** What is asked of a server as a whole. */
final class NodeSql {
  private NodeSql() {}

  static final String SHOW_MAJOR =
      """
      SELECT current_setting('server_version_num')::int / 10000
      """;
}
