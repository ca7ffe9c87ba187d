package dev.pgbelay.benchmarks;

import com.sun.management.OperatingSystemMXBean;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import javax.sql.DataSource;

/**
 * A PostgreSQL of our own with the settings of a production server, as far as the machine allows:
 * durable commits, a quarter of the memory (at most 2 GB) as shared buffers.
 */
public final class BenchServer implements AutoCloseable {
  private static final long MIB = 1024 * 1024;
  private static final int POOL_SIZE = 8;

  private final EmbeddedPostgres postgres;
  private final HikariDataSource pool;
  private final long sharedBuffersMib;

  private BenchServer(EmbeddedPostgres postgres, long sharedBuffersMib) {
    this.postgres = postgres;
    this.sharedBuffersMib = sharedBuffersMib;
    this.pool = new HikariDataSource(poolConfig(url(postgres)));
  }

  public static BenchServer start() throws IOException {
    long sharedBuffersMib = sharedBuffersMib();
    return new BenchServer(
        EmbeddedPostgres.builder()
            .setServerConfig("fsync", "on")
            .setServerConfig("synchronous_commit", "on")
            .setServerConfig("full_page_writes", "on")
            .setServerConfig("shared_buffers", sharedBuffersMib + "MB")
            .setServerConfig("max_wal_size", "8GB")
            .setServerConfig("checkpoint_timeout", "15min")
            .start(),
        sharedBuffersMib);
  }

  /** A HikariCP pool as a service would have it. */
  public DataSource dataSource() {
    return pool;
  }

  /** For a contestant in a process of its own. */
  public String jdbcUrl() {
    return url(postgres);
  }

  /** One line that belongs beside the figures; names neither the machine nor its paths. */
  String description() {
    Runtime runtime = Runtime.getRuntime();
    return "PostgreSQL %s, fsync and synchronous_commit on, shared_buffers %d MB; Java %s; %d cores; loopback"
        .formatted(
            BenchSql.serverVersion(pool),
            sharedBuffersMib,
            Runtime.version().feature(),
            runtime.availableProcessors());
  }

  /** What a process of its own uses as well, so that pools do not differ. */
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

  private static String url(EmbeddedPostgres postgres) {
    return postgres.getJdbcUrl("postgres", "postgres");
  }

  @Override
  public void close() throws IOException {
    pool.close();
    postgres.close();
  }
}
