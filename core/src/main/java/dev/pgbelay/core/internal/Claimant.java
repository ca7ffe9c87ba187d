package dev.pgbelay.core.internal;

import java.security.SecureRandom;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Who claims rows: a worker, a relay, a lease holder. It has a random id of 128 bits and counts its
 * claims, so that no {@link Fence} is ever given out twice, on whatever node and after whatever
 * fail-over: no database object has to survive for that. Make one per component and process start,
 * and never write its id down to use it again. (A process image that is restored twice, as
 * checkpoint tools do, must make its claimants after the restore.) Thread-safe.
 */
public final class Claimant {
  private static final SecureRandom RANDOM = new SecureRandom();

  private final UUID id;
  private final AtomicLong numbers = new AtomicLong();

  private Claimant(UUID id) {
    this.id = id;
  }

  /** A claimant unlike any other. Its id uses all 128 bits and so carries no UUID version. */
  public static Claimant random() {
    return new Claimant(new UUID(RANDOM.nextLong(), RANDOM.nextLong()));
  }

  public UUID id() {
    return id;
  }

  /** The fence of the next claim; one claim may take many rows under one fence. */
  public Fence next() {
    return new Fence(id, numbers.incrementAndGet());
  }

  @Override
  public String toString() {
    return "Claimant " + id;
  }
}
