package dev.pgbelay.benchmarks;

import com.sun.management.OperatingSystemMXBean;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import java.lang.management.ManagementFactory;
import java.util.Optional;
import javax.sql.DataSource;

/**
 * A PostgreSQL of our own with the settings of a production server, as far as the machine allows:
 * durable commits, a quarter of the memory (at most 2 GB) as shared buffers, page costs of an SSD.
 */
public final class BenchServer implements AutoCloseable {
  private static final long MIB = 1024 * 1024;
  private static final int POOL_SIZE = 8;

  private final int cores = Runtime.getRuntime().availableProcessors();
  private final PostgresCluster cluster;
  private final HikariDataSource pool;

  private BenchServer(PostgresCluster cluster) {
    this.cluster = cluster;
    this.pool = new HikariDataSource(poolConfig(cluster.primary().jdbcUrl()));
  }

  public static BenchServer start() {
    return new BenchServer(
        PostgresCluster.builder()
            .serverConfig("fsync", "on")
            .serverConfig("synchronous_commit", "on")
            .serverConfig("full_page_writes", "on")
            .serverConfig("shared_buffers", sharedBuffersMib() + "MB")
            .serverConfig("random_page_cost", "1.1")
            .serverConfig("maintenance_work_mem", "512MB")
            .serverConfig("max_wal_size", "8GB")
            .serverConfig("checkpoint_timeout", "15min")
            .start());
  }

  /** A HikariCP pool as a service would have it. */
  public DataSource dataSource() {
    return pool;
  }

  /**
   * Puts this JVM and the server on a core each until {@link #anyCore}, for scenarios of one client
   * with short operations.
   *
   * @return whether that worked; it does not with fewer than two cores, without Linux' {@code
   *     taskset}, or with a server elsewhere
   */
  public boolean coreEach() {
    return postmaster().map(Cores::separate).orElse(false);
  }

  /** Any core for client and server, as it is at the start. */
  public void anyCore() {
    postmaster().ifPresent(postmaster -> Cores.release(postmaster, cores));
  }

  private Optional<ProcessHandle> postmaster() {
    return ProcessHandle.of(BenchSql.backendPid(pool))
        .filter(backend -> backend.info().command().orElse("").endsWith("postgres"))
        .flatMap(ProcessHandle::parent);
  }

  /** For a contestant in a process of its own. */
  public String jdbcUrl() {
    return cluster.primary().jdbcUrl();
  }

  /** Something that stands between a contestant and the server; the caller closes it. */
  public FaultProxy proxy() {
    return FaultProxy.inFrontOf(cluster.primary());
  }

  /** The server's URL through that proxy. */
  public String jdbcUrl(FaultProxy proxy) {
    return proxy.jdbcUrl(BenchSql.database(pool));
  }

  /** One line that belongs beside the figures; names neither the machine nor its paths. */
  String description() {
    return "%s; Java %d; %d cores; loopback"
        .formatted(BenchSql.serverDescription(pool), Runtime.version().feature(), cores);
  }

  /** What a contestant in a process of its own uses as well, so that pools do not differ. */
  public static HikariConfig poolConfig(String url) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(POOL_SIZE);
    config.setPoolName("bench");
    return config;
  }

  private static long sharedBuffersMib() {
    long total =
        ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getTotalMemorySize();
    return Math.max(128, Math.min(2048, total / MIB / 4));
  }

  @Override
  public void close() {
    pool.close();
    cluster.close();
  }
}
