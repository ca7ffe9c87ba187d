package dev.pgbelay.keyset;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A position in an order: the keys of a row (or the leading ones, for a deep link), each as the
 * bytes of its {@link KeyType}, null for NULL.
 */
final class Boundary {
  /** No position: the start of the walk. */
  static final Boundary NONE = new Boundary(new byte[0][], false);

  private final byte[] @Nullable [] keys;
  private final boolean inclusive;

  /**
   * @param inclusive whether "after" and "before" this position include the row itself
   */
  Boundary(byte[] @Nullable [] keys, boolean inclusive) {
    this.keys = keys;
    this.inclusive = inclusive;
  }

  int length() {
    return keys.length;
  }

  byte @Nullable [] key(int index) {
    return keys[index];
  }

  boolean isInclusive() {
    return inclusive;
  }

  Boundary inclusive(boolean inclusive) {
    return new Boundary(keys, inclusive);
  }

  boolean sameKeys(Boundary other) {
    return Arrays.deepEquals(keys, other.keys);
  }

  boolean[] isNull() {
    boolean[] isNull = new boolean[keys.length];
    for (int i = 0; i < keys.length; i++) {
      isNull[i] = keys[i] == null;
    }
    return isNull;
  }
}
