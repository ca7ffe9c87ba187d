package dev.pgbelay.benchmarks.routing;

import java.sql.SQLException;
import java.util.concurrent.TimeUnit;

/** Reads from the primary for two seconds after a write, and from its replica otherwise. */
final class PinnedVisitor implements PrimaryShare.Visitor, Access {
  private static final long PIN_NANOS = TimeUnit.SECONDS.toNanos(2);

  private final Access onPrimary;
  private final Access onReplica;
  private long wroteNanos;
  private boolean wrote;
  private boolean readFromPrimary;

  PinnedVisitor(Replicated servers, int number) {
    this.onPrimary = new PlainAccess(servers.primaryPool(), servers.primaryPool());
    this.onReplica = new PlainAccess(servers.primaryPool(), servers.replicaPool(number % 2));
  }

  @Override
  public Access access() {
    return this;
  }

  @Override
  public boolean readFromPrimary() {
    return readFromPrimary;
  }

  @Override
  public long read(int id) throws SQLException {
    readFromPrimary = wrote && System.nanoTime() - wroteNanos < PIN_NANOS;
    return (readFromPrimary ? onPrimary : onReplica).read(id);
  }

  @Override
  public long write(int id) throws SQLException {
    long version = onPrimary.write(id);
    wroteNanos = System.nanoTime();
    wrote = true;
    return version;
  }
}
