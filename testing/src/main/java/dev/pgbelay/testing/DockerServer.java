package dev.pgbelay.testing;

import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.opentest4j.TestAbortedException;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.postgresql.PostgreSQLContainer;

/**
 * A server in a container. Loaded only in mode docker, because Testcontainers is an optional
 * dependency. Testcontainers removes the container when the JVM ends.
 */
final class DockerServer implements Server {
  static final String MODE = "docker";

  private final PostgreSQLContainer container;

  private DockerServer(PostgreSQLContainer container) {
    this.container = container;
  }

  /**
   * Starts the container.
   *
   * @throws TestAbortedException if no Docker engine answers, so that tests are skipped, not failed
   */
  static DockerServer started(String major, Map<String, String> configuration) {
    if (!DockerClientFactory.instance().isDockerAvailable()) {
      throw new TestAbortedException(
          "no Docker engine answers, and -Dpgbelay.postgres.mode=docker asks for one");
    }
    List<String> command = new ArrayList<>(List.of("postgres"));
    configuration.forEach(
        (name, value) -> {
          if (!name.equals("listen_addresses") && !name.equals("unix_socket_directories")) {
            command.add("-c");
            command.add(name + "=" + value);
          }
        });
    PostgreSQLContainer container =
        new PostgreSQLContainer("postgres:" + major)
            .withUsername("postgres")
            .withDatabaseName("postgres");
    container.setCommand(command.toArray(String[]::new));
    container.start();
    return new DockerServer(container);
  }

  void discard() {
    container.stop();
  }

  @Override
  @SuppressWarnings("AddressSelection") // the proxy has one target, as the driver tries one first
  public InetSocketAddress address() {
    return new InetSocketAddress(
        container.getHost(), container.getMappedPort(PostgreSQLContainer.POSTGRESQL_PORT));
  }

  @Override
  public String jdbcUrl(InetSocketAddress address, String database) {
    return "jdbc:postgresql://"
        + address.getHostString()
        + ":"
        + address.getPort()
        + "/"
        + database
        + "?user=postgres&password="
        + container.getPassword();
  }

  @Override
  public String maintenanceDatabase() {
    return "postgres";
  }

  @Override
  public void requireControl(String control) {
    throw new UnsupportedControlException(control, MODE);
  }

  @Override
  public String logTail(int lines) {
    List<String> all = container.getLogs().lines().toList();
    return String.join("\n", all.subList(Math.max(0, all.size() - lines), all.size()));
  }
}
