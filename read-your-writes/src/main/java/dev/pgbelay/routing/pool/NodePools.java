package dev.pgbelay.routing.pool;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.routing.DatabaseNode;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.ReadYourWritesBuilder;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A HikariCP pool and a source of probes for each node of a cluster, and which of them is the
 * primary: found by asking, not by the URLs.
 *
 * <p>All pools are alike, because each replica may be the primary tomorrow: none is read-only. They
 * fail fast rather than wait ({@code connectionTimeout} 2 s), know their isolation without asking,
 * and give up on a server that has gone silent ({@code socketTimeout}), so that no thread hangs
 * with it.
 *
 * <p>Opens connections as they are needed; {@link #close} closes them, after the router. Safe for
 * several threads.
 */
public final class NodePools implements AutoCloseable {
  private final Builder options;
  private final Map<String, PooledNode> nodes = new LinkedHashMap<>();

  /** What belongs to a node. */
  private record PooledNode(DatabaseNode node, HikariDataSource pool) {}

  private NodePools(Builder options) {
    this.options = options;
    try {
      options.urls.forEach((name, url) -> nodes.put(name, pooled(name, url)));
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /** With pools of 10, and connections to no node yet. */
  public static Builder builder() {
    return new Builder();
  }

  private PooledNode pooled(String name, String url) {
    HikariDataSource pool = new HikariDataSource(options.pool(name, url));
    return new PooledNode(DatabaseNode.of(name, pool, options.probes(url)), pool);
  }

  /** The nodes, in their order. */
  public synchronized List<DatabaseNode> nodes() {
    return nodes.values().stream().map(PooledNode::node).toList();
  }

  /**
   * A router over these nodes, whose primary is the one that accepts writes now.
   *
   * @throws PgBelayException if none does, or several do, or one does not answer: named
   */
  public synchronized ReadYourWritesBuilder routing() {
    DatabaseNode primary = FirstRoles.primary(nodes());
    ReadYourWritesBuilder builder = ReadYourWrites.builder(primary);
    nodes().stream().filter(node -> !node.equals(primary)).forEach(builder::replica);
    return builder;
  }

  /**
   * A further node, for {@link ReadYourWrites#addReplica}.
   *
   * @throws PgBelayException if its name is taken, or its URL is not one of a single server
   */
  public synchronized DatabaseNode add(String name, String url) {
    if (nodes.containsKey(name)) {
      throw named(name);
    }
    PooledNode added = pooled(name, NodeUrls.single(name, url));
    nodes.put(name, added);
    return added.node();
  }

  /**
   * Closes the pool of a node that {@link ReadYourWrites#removeReplica} has let go.
   *
   * @throws PgBelayException if there is no such node
   */
  public synchronized void remove(String name) {
    PooledNode removed = nodes.remove(name);
    if (removed == null) {
      throw new PgBelayException("there is no node '" + name + "' to be removed");
    }
    removed.pool().close();
  }

  private static PgBelayException named(String name) {
    return new PgBelayException(
        "node '" + name + "' is named twice: give each node a name of its own");
  }

  /** Closes the pools; what still works on their connections fails. */
  @Override
  public synchronized void close() {
    nodes.values().forEach(node -> node.pool().close());
    nodes.clear();
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final Map<String, String> urls = new LinkedHashMap<>();
    private String user = "";
    private String password = "";
    private @Nullable String probeUser;
    private String probePassword = "";
    private boolean replicating;
    private int size = 10;
    private Duration connectionTimeout = Duration.ofSeconds(2);
    private Duration socketTimeout = Duration.ofMinutes(1);
    private Consumer<HikariConfig> hikari = config -> {};

    private Builder() {}

    /**
     * A node for each host of one of the driver's URLs, named {@code host-port}. Options by which
     * the driver would choose among them ({@code targetServerType}, {@code loadBalanceHosts},
     * {@code hostRecheckSeconds}) are left out.
     *
     * @throws PgBelayException if it is not such a URL, or a host is named twice
     */
    public Builder urls(String url) {
      NodeUrls.split(url).forEach(this::put);
      return this;
    }

    /**
     * One node.
     *
     * @throws PgBelayException if its name is taken, or its URL is not one of a single server
     */
    public Builder node(String name, String url) {
      put(name, NodeUrls.single(name, url));
      return this;
    }

    private void put(String name, String url) {
      if (urls.putIfAbsent(name, url) != null) {
        throw named(name);
      }
    }

    /** Who works, and who probes unless that is another; the driver's default unless said. */
    public Builder credentials(String role, String secret) {
      this.user = role;
      this.password = secret;
      return this;
    }

    /** Who probes: a role with {@code pg_monitor}, or with {@code REPLICATION}. */
    public Builder probeCredentials(String role, String secret) {
      this.probeUser = role;
      this.probePassword = secret;
      return this;
    }

    /**
     * Probes speak the replication protocol, for which their role has {@code REPLICATION}: then it
     * is known where a timeline was left, and less counts as lost after a fail-over.
     */
    public Builder replicatingProbes() {
      this.replicating = true;
      return this;
    }

    /** Connections of each pool at most, 1 to 1,000: 10 unless said. */
    public Builder size(int connections) {
      this.size = connections;
      return this;
    }

    /** How long a thread waits for a connection, 250 ms to 1 minute: 2 s unless said. */
    public Builder connectionTimeout(Duration time) {
      this.connectionTimeout = time;
      return this;
    }

    /**
     * How long the server may be silent within a statement, 1 s to 1 hour: 1 minute unless said;
     * longer than the longest statement.
     */
    public Builder socketTimeout(Duration time) {
      this.socketTimeout = time;
      return this;
    }

    /** Has the last word on each pool. */
    public Builder hikari(Consumer<HikariConfig> configure) {
      this.hikari = configure;
      return this;
    }

    HikariConfig pool(String name, String url) {
      HikariConfig config = new HikariConfig();
      config.setPoolName("pgbelay-" + name);
      config.setJdbcUrl(url);
      if (!user.isEmpty()) {
        config.setUsername(user);
        config.setPassword(password);
      }
      config.setMaximumPoolSize(size);
      config.setConnectionTimeout(connectionTimeout.toMillis());
      config.setValidationTimeout(Math.min(connectionTimeout.toMillis(), 1_000));
      config.setKeepaliveTime(Duration.ofMinutes(2).toMillis());
      config.setTransactionIsolation("TRANSACTION_READ_COMMITTED");
      // What does not answer is named when the router asks it.
      config.setInitializationFailTimeout(-1);
      config.addDataSourceProperty("connectTimeout", Long.toString(seconds(connectionTimeout)));
      config.addDataSourceProperty("socketTimeout", Long.toString(seconds(socketTimeout)));
      config.addDataSourceProperty("tcpKeepAlive", "true");
      hikari.accept(config);
      return config;
    }

    private static long seconds(Duration time) {
      return Math.max(1, time.plusMillis(999).toSeconds());
    }

    ProbeSource probes(String url) {
      String at =
          replicating
              ? NodeUrls.with(
                  url, "replication=database&preferQueryMode=simple&assumeMinServerVersion=15")
              : url;
      return probeUser == null
          ? new ProbeSource(at, user, password)
          : new ProbeSource(at, probeUser, probePassword);
    }

    /**
     * Makes the pools; opens no connection that it would wait for.
     *
     * @throws PgBelayException naming the option, its value and its range; or if there are fewer
     *     than two nodes
     */
    public NodePools build() {
      OptionRange.require("size", size, 1, 1_000);
      OptionRange.require(
          "connectionTimeout", connectionTimeout, Duration.ofMillis(250), Duration.ofMinutes(1));
      OptionRange.require(
          "socketTimeout", socketTimeout, Duration.ofSeconds(1), Duration.ofHours(1));
      if (urls.size() < 2) {
        throw new PgBelayException(
            "there "
                + (urls.isEmpty() ? "is no node" : "is one node, " + urls.keySet())
                + ": reads go to replicas, so name the primary and at least one of them");
      }
      return new NodePools(this);
    }
  }
}
