package dev.pgbelay.outbox;

import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Draws UUIDs of version 7 (RFC 9562): the millisecond, 12 bits that count within it, 62 random
 * bits. Those of one process ascend, whatever its clock does. Safe for several threads.
 */
final class MessageIds {
  private static final long COUNTED = 0xFFF;
  private static final long VARIANT = 0x8000_0000_0000_0000L;
  private static final long RANDOM_BITS = 0x3FFF_FFFF_FFFF_FFFFL;

  /** Of the process: millisecond and count. */
  private static final AtomicLong LAST = new AtomicLong();

  private final InstantSource clock;
  private final AtomicLong last;
  private final SecureRandom random = new SecureRandom();

  MessageIds(InstantSource clock) {
    this(clock, LAST);
  }

  MessageIds(InstantSource clock, AtomicLong last) {
    this.clock = clock;
    this.last = last;
  }

  static MessageIds ofSystem() {
    return new MessageIds(InstantSource.system());
  }

  /** A new one, later than all before it. */
  String next() {
    long now = clock.millis() << 12;
    // Beginning at 0 leaves the whole count to what comes within the millisecond; one that is used
    // up goes on in the next millisecond.
    long place = last.updateAndGet(before -> Math.max(now, before + 1));
    long high = ((place & ~COUNTED) << 4) | 0x7000 | (place & COUNTED);
    return new UUID(high, (random.nextLong() & RANDOM_BITS) | VARIANT).toString();
  }
}
