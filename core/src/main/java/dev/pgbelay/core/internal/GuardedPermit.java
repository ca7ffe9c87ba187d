package dev.pgbelay.core.internal;

import dev.pgbelay.core.permit.ClaimPermit;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.IntUnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A permit that somebody else wrote: what it throws or miscounts costs neither a row nor a thread.
 * After an exception nothing is claimed under it for a second.
 */
public final class GuardedPermit implements ClaimPermit {
  private static final Logger LOG = LoggerFactory.getLogger(GuardedPermit.class);
  private static final long PAUSE = TimeUnit.SECONDS.toNanos(1);

  private final String of;
  private final ClaimPermit permit;
  private volatile boolean failing;
  private volatile boolean refusing;
  private volatile long failedAt;

  /**
   * Guards one.
   *
   * @param of what it admits, for the log: "kind 'mail'"
   */
  public GuardedPermit(String of, ClaimPermit permit) {
    this.of = of;
    this.permit = permit;
  }

  private void failed(String call, Throwable e) {
    failedAt = System.nanoTime();
    failing = true;
    LOG.warn("the permit of {} failed at {}: nothing is claimed under it for now", of, call, e);
  }

  /** Whether no place was to be had the last time that one was wanted. */
  public boolean isRefusing() {
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
