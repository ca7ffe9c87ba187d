package dev.pgbelay.testing;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** A server that somebody else runs: an address and no more. */
final class ExternalServer implements Server {
  static final String MODE = "external";

  private final String beforeDatabase;
  private final String database;
  private final String parameters;

  /**
   * Takes an address apart so that the database can be exchanged.
   *
   * @param url {@code jdbc:postgresql://host:port/database?parameters}
   */
  ExternalServer(String url, @Nullable String user, @Nullable String password) {
    int question = url.indexOf('?');
    String path = question < 0 ? url : url.substring(0, question);
    int slash = path.lastIndexOf('/');
    if (!url.startsWith("jdbc:postgresql://") || slash < "jdbc:postgresql://".length()) {
      throw new ClusterException(
          "pgbelay.postgres.url must look like jdbc:postgresql://host:port/database");
    }
    this.beforeDatabase = path.substring(0, slash + 1);
    this.database = path.substring(slash + 1);
    StringBuilder all = new StringBuilder(question < 0 ? "" : url.substring(question + 1));
    append(all, "user", user);
    append(all, "password", password);
    this.parameters = all.toString();
  }

  private static void append(StringBuilder all, String name, @Nullable String value) {
    if (value != null) {
      all.append(all.isEmpty() ? "" : "&")
          .append(name)
          .append('=')
          .append(URLEncoder.encode(value, StandardCharsets.UTF_8));
    }
  }

  @Override
  public String jdbcUrl(String database) {
    return beforeDatabase + database + (parameters.isEmpty() ? "" : "?" + parameters);
  }

  @Override
  public String maintenanceDatabase() {
    return database;
  }

  @Override
  public void crash() {
    throw new UnsupportedControlException("crash", MODE);
  }

  @Override
  public void start() {
    throw new UnsupportedControlException("start", MODE);
  }

  @Override
  public void stop() {
    throw new UnsupportedControlException("stop", MODE);
  }

  @Override
  public String logTail(int lines) {
    return "";
  }
}
