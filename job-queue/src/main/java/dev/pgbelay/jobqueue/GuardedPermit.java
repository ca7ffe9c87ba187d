package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.permit.ClaimPermit;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.IntUnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A permit that somebody else wrote: what it throws or miscounts costs neither a job nor a thread.
 * After an exception its kind is not claimed for a second.
 */
final class GuardedPermit implements ClaimPermit {
  private static final Logger LOG = LoggerFactory.getLogger(GuardedPermit.class);
  private static final long PAUSE = TimeUnit.SECONDS.toNanos(1);

  private final String kind;
  private final ClaimPermit permit;
  private volatile boolean failing;
  private volatile boolean refusing;
  private volatile long failedAt;

  GuardedPermit(String kind, ClaimPermit permit) {
    this.kind = kind;
    this.permit = permit;
  }

  private void failed(String call, Throwable e) {
    failedAt = System.nanoTime();
    failing = true;
    LOG.warn(
        "the permit of kind '{}' failed at {}: its jobs are not claimed for now", kind, call, e);
  }

  /** Whether no place was to be had the last time that one was wanted. */
  boolean isRefusing() {
    return refusing;
  }

  @Override
  public int reserve(int wanted) {
    int reserved = reserve(wanted, "reserve", permit::reserve);
    refusing = reserved == 0;
    return reserved;
  }

  @Override
  public int reserveAhead(int wanted) {
    return reserve(wanted, "reserveAhead", permit::reserveAhead);
  }

  private int reserve(int wanted, String call, IntUnaryOperator asked) {
    if (failing && System.nanoTime() - failedAt < PAUSE) {
      return 0;
    }
    failing = false;
    try {
      return Math.max(0, Math.min(wanted, asked.applyAsInt(wanted)));
    } catch (Throwable e) {
      failed(call, e);
      return 0;
    }
  }

  @Override
  public void release(int unused) {
    try {
      permit.release(unused);
    } catch (Throwable e) {
      failed("release", e);
    }
  }

  @Override
  public boolean begin() {
    try {
      return permit.begin();
    } catch (Throwable e) {
      failed("begin", e);
      release(1);
      return false;
    }
  }

  @Override
  public void end(Duration took, Optional<Throwable> failure) {
    try {
      permit.end(took, failure);
    } catch (Throwable e) {
      failed("end", e);
    }
  }
}
