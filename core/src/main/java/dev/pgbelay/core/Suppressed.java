package dev.pgbelay.core;

import org.jspecify.annotations.Nullable;

/**
 * What else went wrong, kept with a failure; bounded, since one instance may be thrown for ever.
 */
final class Suppressed {
  private static final int KEPT = 16;

  private Suppressed() {}

  static void keep(@Nullable Throwable with, Throwable other) {
    if (with == null || with == other) {
      return;
    }
    synchronized (with) {
      Throwable[] kept = with.getSuppressed();
      if (kept.length >= KEPT) {
        return;
      }
      for (Throwable each : kept) {
        if (each == other) {
          return;
        }
      }
      with.addSuppressed(other);
    }
  }
}
