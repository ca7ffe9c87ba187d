package dev.pgbelay.testing;

import dev.pgbelay.core.PgBelayException;
import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.opentest4j.TestAbortedException;

/**
 * A PgBouncer in transaction mode in front of a node, for tests of what must work without session
 * state. The binary is looked for in this order: {@code -Dpgbelay.pgbouncer} (a path), environment
 * PGBELAY_PGBOUNCER (a path), {@code -Dpgbelay.pgbouncer.home} and environment
 * PGBELAY_PGBOUNCER_HOME (a folder into which Debian's pgbouncer, libc-ares2 and libevent were
 * unpacked with {@code dpkg-deb -x}), the PATH. Closing it ends its process. Safe for use by
 * several threads.
 */
public final class PgBouncer implements AutoCloseable {
  private static final Duration START_LIMIT = Duration.ofSeconds(10);
  private static final int START_TRIES = 5;

  private final PostgresNode node;
  private final int port;
  private final Process process;
  private final Path folder;

  private PgBouncer(PostgresNode node, int port, Process process, Path folder) {
    this.node = node;
    this.port = port;
    this.process = process;
    this.folder = folder;
  }

  private record Binary(Path executable, @Nullable Path libraries) {}

  /** Whether a binary is at hand. */
  public static boolean isAvailable() {
    return binary().isPresent();
  }

  /**
   * Starts one with so many server connections per database.
   *
   * @throws TestAbortedException if there is no binary, so that the test is skipped and says why
   * @throws ClusterException if it does not start
   */
  public static PgBouncer inFrontOf(PostgresNode node, int poolSize) {
    Binary binary =
        binary()
            .orElseThrow(
                () ->
                    new TestAbortedException(
                        "no pgbouncer on the PATH, in PGBELAY_PGBOUNCER_HOME or at"
                            + " -Dpgbelay.pgbouncer"));
    if (poolSize < 1) {
      throw new PgBelayException("poolSize is " + poolSize + ": at least 1");
    }
    try {
      for (int attempt = 1; ; attempt++) {
        PgBouncer bouncer = launch(binary, node, poolSize);
        if (bouncer.awaitReady()) {
          return bouncer;
        }
        String said = bouncer.log();
        bouncer.close();
        if (attempt == START_TRIES) {
          throw new ClusterException("pgbouncer does not start. It says:\n" + said);
        }
      }
    } catch (IOException e) {
      throw new ClusterException("pgbouncer does not start", e);
    }
  }

  private static PgBouncer launch(Binary binary, PostgresNode node, int poolSize)
      throws IOException {
    Path folder = ServerFolder.ofThisJvm().newClusterFolder();
    int port = Ports.free();
    Path configuration = folder.resolve("pgbouncer.ini");
    Files.writeString(
        configuration,
        """
        [databases]
        * = host=%s port=%d user=postgres
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = %d
        unix_socket_dir =
        pidfile = %s
        auth_type = any
        pool_mode = transaction
        default_pool_size = %d
        max_client_conn = 500
        ignore_startup_parameters = extra_float_digits,options
        """
            .formatted(
                node.address().getAddress().getHostAddress(),
                node.address().getPort(),
                port,
                folder.resolve("pgbouncer.pid"),
                poolSize));
    OsUser.giveToServer(folder);
    List<String> command = new ArrayList<>(OsUser.current().prefix());
    command.add(binary.executable().toString());
    command.add(configuration.toString());
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("pgbouncer.log").toFile());
    if (binary.libraries() != null) {
      builder.environment().put("LD_LIBRARY_PATH", binary.libraries().toString());
    }
    Process process = builder.start();
    Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
    return new PgBouncer(node, port, process, folder);
  }

  private boolean awaitReady() {
    long deadline = System.nanoTime() + START_LIMIT.toNanos();
    while (process.isAlive() && System.nanoTime() < deadline) {
      try {
        DriverManager.getConnection(jdbcUrl("postgres")).close();
        return true;
      } catch (SQLException e) {
        pause();
      }
    }
    return false;
  }

  private static void pause() {
    try {
      TimeUnit.MILLISECONDS.sleep(10);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ClusterException("interrupted while pgbouncer was starting", e);
    }
  }

  /** Where it listens. */
  public InetSocketAddress address() {
    return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
  }

  /**
   * The node's URL for this database, through PgBouncer. Before PgBouncer 1.21 the driver also
   * needs {@code prepareThreshold=0}, which this URL does not set.
   */
  public String jdbcUrl(String database) {
    return node.jdbcUrl(address(), database);
  }

  /** What it has logged. */
  public String log() {
    try {
      return Files.readString(folder.resolve("pgbouncer.log"));
    } catch (IOException e) {
      return "(no log: " + e.getMessage() + ")";
    }
  }

  @Override
  public void close() {
    process.destroyForcibly();
    try {
      process.waitFor(START_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static Optional<Binary> binary() {
    String path = setting("pgbelay.pgbouncer", "PGBELAY_PGBOUNCER");
    if (path != null) {
      return executable(Path.of(path)).map(file -> new Binary(file, null));
    }
    String home = setting("pgbelay.pgbouncer.home", "PGBELAY_PGBOUNCER_HOME");
    if (home != null) {
      return executable(Path.of(home, "usr", "sbin", "pgbouncer").toAbsolutePath())
          .map(file -> new Binary(file, libraries(Path.of(home).toAbsolutePath())));
    }
    return Stream.of(String.valueOf(System.getenv("PATH")).split(File.pathSeparator, -1))
        .flatMap(folder -> executable(Path.of(folder, "pgbouncer")).stream())
        .findFirst()
        .map(file -> new Binary(file, null));
  }

  private static @Nullable String setting(String property, String variable) {
    String value = System.getProperty(property, System.getenv(variable));
    return value == null || value.isBlank() ? null : value;
  }

  private static Optional<Path> executable(Path path) {
    return Files.isExecutable(path) ? Optional.of(path) : Optional.empty();
  }

  private static @Nullable Path libraries(Path home) {
    try (Stream<Path> files = Files.walk(home.resolve("usr").resolve("lib"), 2)) {
      return files
          .filter(file -> String.valueOf(file.getFileName()).startsWith("libevent"))
          .findFirst()
          .map(Path::getParent)
          .orElse(null);
    } catch (IOException e) {
      return null;
    }
  }
}
