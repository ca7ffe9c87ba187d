package dev.pgbelay.testing;

import dev.pgbelay.core.PgBelayException;
import java.io.IOException;
import java.sql.SQLException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/**
 * PostgreSQL servers for tests: a primary and replicas that do not live longer than this JVM.
 * {@code fsync}, {@code full_page_writes} and {@code synchronous_commit} are on, as in production,
 * because tests of what survives a crash mean nothing without them.
 *
 * <p>{@code -Dpgbelay.postgres.mode} chooses where the servers come from: {@code embedded} (the
 * default: binaries from the class path, data under {@code java.io.tmpdir}), {@code docker} (a
 * container by Testcontainers; tests are skipped where no engine answers), or {@code external} (the
 * server at {@code -Dpgbelay.postgres.url}, with {@code -Dpgbelay.postgres.user} and {@code
 * -Dpgbelay.postgres.password}). When {@code -Dpgbelay.postgres.major} is set, a server of another
 * major version is refused at start; one older than 15 always is.
 *
 * <p>Tests that only need a database share {@link #shared()}, one server for the JVM; tests that
 * crash or reconfigure servers build their own and close it. Safe for use by several threads.
 */
public final class PostgresCluster implements AutoCloseable {
  private static final int MAX_CONNECTIONS = 300;
  private static final int OLDEST_MAJOR = 15;

  private static @Nullable PostgresCluster shared;

  private final List<PostgresNode> nodes = new CopyOnWriteArrayList<>();
  private final List<Runnable> discards = new CopyOnWriteArrayList<>();
  private volatile @Nullable PostgresNode primary;
  private volatile boolean open = true;

  private PostgresCluster() {}

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

  /** The node that accepts writes: the first one, or the one promoted last. */
  public PostgresNode primary() {
    PostgresNode node = primary;
    if (node == null) {
      throw new IllegalStateException("the cluster has not been started");
    }
    return node;
  }

  /** The nodes that were started as replicas, promoted ones included. */
  public List<PostgresNode> replicas() {
    return List.copyOf(nodes.subList(1, nodes.size()));
  }

  /** The first replica. */
  public PostgresNode replica() {
    if (nodes.size() < 2) {
      throw new IllegalStateException(
          "this cluster has no replica: build it with PostgresCluster.builder().replicas(1)");
    }
    return nodes.get(1);
  }

  /**
   * A new, empty database on the primary with a pool to it, for tests that do not use {@link
   * PostgresExtension} or need a second database. Closing it closes the pool and drops the
   * database; do so before the cluster is closed.
   *
   * @param label becomes part of the database's name and is the application_name of its sessions
   * @throws ClusterException if the database cannot be created
   */
  public PostgresDatabase createDatabase(String label) {
    return TestDatabases.createApart(this, label);
  }

  void promoted(PostgresNode node) {
    primary = node;
  }

  void add(PostgresNode node) {
    nodes.add(node);
    if (primary == null) {
      primary = node;
    }
  }

  /** What {@link #close} does, in reverse order. */
  void onClose(Runnable discard) {
    discards.add(discard);
  }

  /** Kills the servers and deletes their data. */
  @Override
  public void close() {
    if (this == shared) {
      throw new IllegalStateException(
          "the shared server belongs to all tests of this JVM and ends with it: do not close it");
    }
    discard();
  }

  private void discard() {
    for (int i = discards.size() - 1; i >= 0; i--) {
      discards.get(i).run();
    }
    discards.clear();
    open = false;
  }

  boolean isOpen() {
    return open;
  }

  static void requireSettingName(String name) {
    if (!name.matches("[A-Za-z_][A-Za-z0-9_.]*")) {
      throw new PgBelayException("not a server setting's name: " + name);
    }
  }

  private static @Nullable String wantedMajor() {
    String wanted = System.getProperty("pgbelay.postgres.major");
    return wanted == null || wanted.isBlank() ? null : wanted.trim();
  }

  /** Refuses a wish that cannot be fulfilled, before a server is started. */
  static void requireWishable(@Nullable String wanted) {
    if (wanted == null) {
      return;
    }
    if (!wanted.matches("[0-9]{1,3}")) {
      throw new ClusterException(
          "-Dpgbelay.postgres.major=" + wanted + " is not a major version such as 18");
    }
    if (Integer.parseInt(wanted) < OLDEST_MAJOR) {
      throw new ClusterException(
          "-Dpgbelay.postgres.major="
              + wanted
              + " is too old: PostgreSQL "
              + OLDEST_MAJOR
              + " is the oldest that pgbelay works with");
    }
  }

  /** Refuses a server that answers with a major version which is too old, or was not wished. */
  static void requireMajor(int found, @Nullable String wanted) {
    if (found < OLDEST_MAJOR) {
      throw new ClusterException(
          "PostgreSQL "
              + found
              + " answers, but "
              + OLDEST_MAJOR
              + " is the oldest major version that pgbelay works with: put newer binaries on the"
              + " class path, or point -Dpgbelay.postgres.url at a newer server");
    }
    if (wanted != null && found != Integer.parseInt(wanted)) {
      throw new ClusterException(
          "PostgreSQL "
              + found
              + " answers, but -Dpgbelay.postgres.major asks for "
              + wanted
              + ": put the binaries of that major on the class path, or point"
              + " -Dpgbelay.postgres.url at such a server");
    }
  }

  /** What a cluster is made of. Not safe for use by several threads. */
  public static final class Builder {
    private final Map<String, String> configuration = new LinkedHashMap<>();
    private int replicas;
    private boolean replicasThroughProxy;

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
      configuration.put("hot_standby_feedback", "on");
      configuration.put("wal_retrieve_retry_interval", "100ms");
      configuration.put("log_line_prefix", "%m [%p] %a: ");
    }

    /** A line of {@code postgresql.conf}; wins over what this class sets itself. */
    public Builder serverConfig(String name, String value) {
      requireSettingName(name);
      configuration.put(name, value);
      return this;
    }

    /** So many replicas that stream from the primary; none by default. */
    public Builder replicas(int count) {
      if (count < 0 || count > 9) {
        throw new PgBelayException("replicas is " + count + ": between 0 and 9");
      }
      this.replicas = count;
      return this;
    }

    /**
     * Puts a {@link FaultProxy} between the primary and each replica, to be had from {@link
     * PostgresNode#upstreamProxy()}.
     */
    public Builder replicasThroughProxy() {
      this.replicasThroughProxy = true;
      return this;
    }

    /**
     * Starts the servers and returns when they accept connections and the replicas have caught up.
     *
     * @throws ClusterException if a server does not start
     * @throws UnsupportedControlException if replicas are asked for in mode docker or external
     * @throws org.opentest4j.TestAbortedException in mode docker without a Docker engine
     */
    public PostgresCluster start() {
      requireWishable(wantedMajor());
      PostgresCluster cluster = new PostgresCluster();
      try {
        startIn(System.getProperty("pgbelay.postgres.mode", "embedded"), cluster);
        requireMajor(cluster.primary().majorVersion(), wantedMajor());
        return cluster;
      } catch (IOException | SQLException e) {
        cluster.discard();
        throw new ClusterException("cannot prepare PostgreSQL servers", e);
      } catch (RuntimeException e) {
        cluster.discard();
        throw e;
      }
    }

    private void startIn(String mode, PostgresCluster cluster) throws IOException, SQLException {
      switch (mode) {
        case "embedded" ->
            new EmbeddedNodes(cluster, configuration).start(replicas, replicasThroughProxy);
        case "docker" -> startDocker(cluster);
        case ExternalServer.MODE -> connectExternal(cluster);
        default ->
            throw new ClusterException(
                "pgbelay.postgres.mode is \"" + mode + "\": use embedded, docker or external");
      }
    }

    private void startDocker(PostgresCluster cluster) {
      refuseReplicas("docker");
      try {
        String major = System.getProperty("pgbelay.postgres.major", "18");
        DockerServer server = DockerServer.started(major, configuration);
        cluster.onClose(server::discard);
        cluster.add(new PostgresNode(cluster, "primary", server, null));
      } catch (NoClassDefFoundError e) {
        throw new ClusterException(
            "-Dpgbelay.postgres.mode=docker needs org.testcontainers:testcontainers-postgresql on"
                + " the class path",
            e);
      }
    }

    private void connectExternal(PostgresCluster cluster) {
      refuseReplicas(ExternalServer.MODE);
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
      cluster.add(new PostgresNode(cluster, "primary", server, null));
    }

    private void refuseReplicas(String mode) {
      if (replicas > 0) {
        throw new UnsupportedControlException("replicas", mode);
      }
    }
  }
}
