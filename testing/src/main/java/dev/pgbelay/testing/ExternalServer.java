package dev.pgbelay.testing;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** A server that somebody else runs: an address and no more. */
final class ExternalServer implements Server {
  static final String MODE = "external";

  private static final int DEFAULT_PORT = 5432;

  private static final Pattern URL =
      Pattern.compile("jdbc:postgresql://([^/:?]+)(?::([0-9]+))?/([^/?]+)(?:\\?(.*))?");

  private final InetSocketAddress address;
  private final String database;
  private final String parameters;

  /**
   * Takes an address apart so that the database can be exchanged.
   *
   * @param url {@code jdbc:postgresql://host:port/database?parameters}
   */
  ExternalServer(String url, @Nullable String user, @Nullable String password) {
    Matcher matcher = URL.matcher(url);
    if (!matcher.matches()) {
      throw new ClusterException(
          "pgbelay.postgres.url must look like jdbc:postgresql://host:port/database");
    }
    String port = matcher.group(2);
    this.address =
        InetSocketAddress.createUnresolved(
            matcher.group(1), port == null ? DEFAULT_PORT : Integer.parseInt(port));
    this.database = matcher.group(3);
    String given = matcher.group(4);
    StringBuilder all = new StringBuilder(given == null ? "" : given);
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
  @SuppressWarnings("AddressSelection") // the proxy has one target, as the driver tries one first
  public InetSocketAddress address() {
    return new InetSocketAddress(address.getHostString(), address.getPort());
  }

  @Override
  public String jdbcUrl(InetSocketAddress through, String database) {
    return "jdbc:postgresql://"
        + host(through)
        + ":"
        + through.getPort()
        + "/"
        + database
        + (parameters.isEmpty() ? "" : "?" + parameters);
  }

  private static String host(InetSocketAddress through) {
    InetAddress resolved = through.getAddress();
    return resolved != null && resolved.isLoopbackAddress()
        ? resolved.getHostAddress()
        : through.getHostString();
  }

  @Override
  public String maintenanceDatabase() {
    return database;
  }

  @Override
  public void requireControl(String control) {
    throw new UnsupportedControlException(control, MODE);
  }

  @Override
  public String logTail(int lines) {
    return "";
  }
}
