package dev.pgbelay.lock.witness;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the catalog of one database: read when first needed and again after DDL was seen or a table
 * was not found, on a connection of its own. Without a way to the database, or while that fails,
 * the catalog is empty, and foreign keys and keys are not known.
 */
final class CatalogReader {
  private static final Logger LOG = LoggerFactory.getLogger(LockWitness.class);
  private static final AtomicLong VERSIONS = new AtomicLong();

  private final Supplier<@Nullable DataSource> unobserved;
  private final long restNanos;
  private volatile TableCatalog current = TableCatalog.EMPTY;
  private volatile boolean stale = true;
  private volatile long lastRead;
  private volatile boolean everRead;

  /**
   * @param rest how long a table that is not there is taken as not there, and a failure to read as
   *     lasting
   */
  CatalogReader(Supplier<@Nullable DataSource> unobserved, Duration rest) {
    this.unobserved = unobserved;
    this.restNanos = rest.toNanos();
  }

  void invalidate() {
    stale = true;
  }

  TableCatalog current() {
    if (stale && !(everRead && current == TableCatalog.EMPTY && isResting())) {
      read();
    }
    return current;
  }

  /** After a name was not found: perhaps it was made where nobody watched. */
  TableCatalog again() {
    if (!isResting()) {
      read();
    }
    return current;
  }

  private boolean isResting() {
    return everRead && System.nanoTime() - lastRead < restNanos;
  }

  private synchronized void read() {
    DataSource source = unobserved.get();
    lastRead = System.nanoTime();
    everRead = true;
    stale = false;
    if (source == null) {
      return;
    }
    try (Connection connection = source.getConnection()) {
      current = TableCatalog.read(connection, VERSIONS.incrementAndGet());
    } catch (SQLException | RuntimeException e) {
      stale = true;
      LOG.warn(
          "the catalog could not be read, so locks through foreign keys are not seen until it can:"
              + " {}",
          e.toString());
    }
  }
}
