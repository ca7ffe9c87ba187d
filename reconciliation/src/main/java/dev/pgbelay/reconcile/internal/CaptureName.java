package dev.pgbelay.reconcile.internal;

import dev.pgbelay.reconcile.Reference;
import java.nio.charset.StandardCharsets;
import java.util.UUID;

/** How the triggers of a reference are called: its own name may be longer than an identifier. */
public final class CaptureName {
  private CaptureName() {}

  /** What all of them begin with. */
  public static String trigger(Reference reference) {
    return "pgbelay_capture_" + hash(reference);
  }

  public static String hash(Reference reference) {
    return UUID.nameUUIDFromBytes(reference.name().getBytes(StandardCharsets.UTF_8))
        .toString()
        .substring(0, 13)
        .replace('-', '_');
  }
}
