package dev.pgbelay.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * PostgreSQL servers for tests: a primary that does not live longer than this JVM. {@code fsync},
 * {@code full_page_writes} and {@code synchronous_commit} are on, as in production, because tests
 * of what survives a crash mean nothing without them.
 *
 * <p>{@code -Dpgbelay.postgres.mode} chooses where the servers come from: {@code embedded} (the
 * default: binaries from the class path, data under {@code java.io.tmpdir}), or {@code external}
 * (the server at {@code -Dpgbelay.postgres.url}, with {@code -Dpgbelay.postgres.user} and {@code
 * -Dpgbelay.postgres.password}). When {@code -Dpgbelay.postgres.major} is set, a server of another
 * major version is refused at start.
 *
 * <p>Tests that only need a database share {@link #shared()}, one server for the JVM; tests that
 * crash or reconfigure servers build their own and close it. Safe for use by several threads.
 */
public final class PostgresCluster implements AutoCloseable {
  static final int MAX_CONNECTIONS = 300;

  private static @Nullable PostgresCluster shared;

  private final PostgresNode primary;
  private final Runnable discard;

  private PostgresCluster(PostgresNode primary, Runnable discard) {
    this.primary = primary;
    this.discard = discard;
  }

  /**
   * The one server that all tests of this JVM share; started at first use, never closed by tests.
   */
  public static synchronized PostgresCluster shared() {
    if (shared == null) {
      shared = builder().start();
    }
    return shared;
  }

  /** A cluster of one's own, to be closed by who starts it. */
  public static Builder builder() {
    return new Builder();
  }

  /** The node that accepts writes. */
  public PostgresNode primary() {
    return primary;
  }

  /** Kills the servers and deletes their data. */
  @Override
  public void close() {
    if (this == shared) {
      throw new IllegalStateException(
          "the shared server belongs to all tests of this JVM and ends with it: do not close it");
    }
    discard.run();
  }

  /** What a cluster is made of. Not safe for use by several threads. */
  public static final class Builder {
    private final Map<String, String> configuration = new LinkedHashMap<>();

    private Builder() {
      configuration.put("listen_addresses", "127.0.0.1");
      configuration.put("unix_socket_directories", "");
      configuration.put("max_connections", Integer.toString(MAX_CONNECTIONS));
      configuration.put("max_prepared_transactions", "20");
      configuration.put("fsync", "on");
      configuration.put("full_page_writes", "on");
      configuration.put("synchronous_commit", "on");
      configuration.put("wal_level", "logical");
      configuration.put("wal_keep_size", "64MB");
      configuration.put("max_wal_senders", "20");
      configuration.put("max_replication_slots", "20");
      configuration.put("log_line_prefix", "%m [%p] %a: ");
    }

    /** A line of {@code postgresql.conf}; wins over what this class sets itself. */
    public Builder serverConfig(String name, String value) {
      if (!name.matches("[A-Za-z_][A-Za-z0-9_.]*")) {
        throw new IllegalArgumentException("not a server setting's name: " + name);
      }
      configuration.put(name, value);
      return this;
    }

    /** Starts the servers and returns when they accept connections. */
    public PostgresCluster start() {
      String mode = System.getProperty("pgbelay.postgres.mode", "embedded");
      PostgresCluster cluster =
          switch (mode) {
            case "embedded" -> startEmbedded();
            case ExternalServer.MODE -> connectExternal();
            default ->
                throw new ClusterException(
                    "pgbelay.postgres.mode is \"" + mode + "\": use embedded or external");
          };
      cluster.requireMajor();
      return cluster;
    }

    private PostgresCluster startEmbedded() {
      try {
        ServerBinaries binaries = ServerBinaries.unpacked();
        Path folder = ServerFolder.ofThisJvm().newClusterFolder();
        Path nodeFolder = Files.createDirectory(folder.resolve("primary"));
        EmbeddedServer server = EmbeddedServer.initialised(binaries, nodeFolder, configuration);
        server.start();
        return new PostgresCluster(new PostgresNode("primary", server), server::discard);
      } catch (IOException e) {
        throw new ClusterException("cannot prepare a PostgreSQL server", e);
      }
    }

    private static PostgresCluster connectExternal() {
      String url = System.getProperty("pgbelay.postgres.url");
      if (url == null) {
        throw new ClusterException(
            "-Dpgbelay.postgres.mode=external needs -Dpgbelay.postgres.url=jdbc:postgresql://…");
      }
      Server server =
          new ExternalServer(
              url,
              System.getProperty("pgbelay.postgres.user"),
              System.getProperty("pgbelay.postgres.password"));
      return new PostgresCluster(new PostgresNode("primary", server), () -> {});
    }
  }

  private void requireMajor() {
    String wanted = System.getProperty("pgbelay.postgres.major");
    if (wanted == null || wanted.isBlank()) {
      return;
    }
    int found = primary.majorVersion();
    if (found != Integer.parseInt(wanted.trim())) {
      discard.run();
      throw new ClusterException(
          "PostgreSQL "
              + found
              + " answers, but -Dpgbelay.postgres.major asks for "
              + wanted
              + ": put the binaries of that major on the class path, or point"
              + " -Dpgbelay.postgres.url at such a server");
    }
  }
}
