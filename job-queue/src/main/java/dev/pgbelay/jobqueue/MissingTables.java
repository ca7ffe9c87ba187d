package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Failures;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.internal.ToldAlready;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Says that a worker finds no tables, in a line that names the remedy, on behalf of all its loops:
 * each of them fails then, and a stack trace of each would tell less. Says it again now and then
 * while they are missing.
 */
final class MissingTables {
  private static final Logger LOG = LoggerFactory.getLogger(JobWorker.class);
  private static final Set<String> MISSING = Set.of("42P01", "3F000");
  private static final long AGAIN_AFTER = TimeUnit.MINUTES.toNanos(10);

  private final String worker;
  private final String schema;
  private final AtomicLong nextLine = new AtomicLong(System.nanoTime());

  MissingTables(String worker, String schema) {
    this.worker = worker;
    this.schema = schema;
  }

  /** The pass of a loop that need not say itself that tables are missing. */
  BackgroundLoop.Work toldOnce(BackgroundLoop.Work pass) {
    return () -> {
      try {
        return pass.runOnce();
      } catch (Exception e) {
        if (Failures.sqlState(e).filter(MISSING::contains).isEmpty()) {
          throw e;
        }
        throw told(e);
      }
    };
  }

  /** The names of tables in the server's words say which; there are no values in them. */
  private ToldAlready told(Exception failure) {
    String what = "tables of module jobqueue are missing in schema '" + schema + "'";
    String remedy =
        "install them with SchemaInstaller, or name the schema that has them with schema(…)";
    long due = nextLine.get();
    long now = System.nanoTime();
    if (now - due >= 0 && nextLine.compareAndSet(due, now + AGAIN_AFTER)) {
      LOG.error("worker '{}': {} ({}): {}; it goes on trying", worker, what, said(failure), remedy);
    }
    return new ToldAlready(what + ": " + remedy, failure);
  }

  private static String said(Throwable failure) {
    Throwable innermost = failure;
    while (innermost.getCause() != null) {
      innermost = innermost.getCause();
    }
    return String.valueOf(innermost.getMessage()).lines().findFirst().orElse("");
  }
}
