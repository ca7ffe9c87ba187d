package dev.pgbelay.core.internal;

import dev.pgbelay.core.health.Health;

/** A health as the value of a gauge. */
public final class HealthLevel {
  private HealthLevel() {}

  /** 0 up, 1 degraded, 2 down. */
  public static int of(Health health) {
    return switch (health.status()) {
      case UP -> 0;
      case DEGRADED -> 1;
      case DOWN -> 2;
    };
  }
}
