package dev.pgbelay.batch;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Bytes in PostgreSQL's order, growing as needed. */
final class ByteSink {
  private byte[] bytes;
  private int size;

  ByteSink(int capacity) {
    this.bytes = new byte[capacity];
  }

  int size() {
    return size;
  }

  byte[] bytes() {
    return bytes;
  }

  byte[] toBytes() {
    return Arrays.copyOf(bytes, size);
  }

  void truncate(int newSize) {
    size = newSize;
  }

  private int grow(int more) {
    int at = size;
    int needed = Math.addExact(at, more);
    if (needed > bytes.length) {
      bytes = Arrays.copyOf(bytes, (int) Math.max(needed, Math.min(bytes.length * 2L, 1 << 30)));
    }
    size = needed;
    return at;
  }

  void putByte(int value) {
    int at = grow(1);
    bytes[at] = (byte) value;
  }

  void putShort(int value) {
    int at = grow(2);
    bytes[at] = (byte) (value >>> 8);
    bytes[at + 1] = (byte) value;
  }

  void putInt(int value) {
    setInt(grow(4), value);
  }

  void setInt(int at, int value) {
    bytes[at] = (byte) (value >>> 24);
    bytes[at + 1] = (byte) (value >>> 16);
    bytes[at + 2] = (byte) (value >>> 8);
    bytes[at + 3] = (byte) value;
  }

  void putLong(long value) {
    int at = grow(8);
    for (int shift = 56; shift >= 0; shift -= 8) {
      bytes[at++] = (byte) (value >>> shift);
    }
  }

  void putBytes(byte[] value) {
    int at = grow(value.length);
    System.arraycopy(value, 0, bytes, at, value.length);
  }

  /** UTF-8, as every session of pgjdbc speaks it. */
  void putText(String value) {
    int length = value.length();
    int start = grow(length);
    byte[] target = bytes;
    for (int i = 0; i < length; i++) {
      char c = value.charAt(i);
      if (c == 0 || c >= 0x80) {
        size = start;
        putCheckedText(value);
        return;
      }
      target[start + i] = (byte) c;
    }
  }

  private void putCheckedText(String value) {
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if (c == 0) {
        throw new UnfitValueException(
            "22021", "the text has a NUL character at " + i + ", which PostgreSQL cannot store");
      }
      if (Character.isSurrogate(c)) {
        if (Character.isHighSurrogate(c)
            && i + 1 < value.length()
            && Character.isLowSurrogate(value.charAt(i + 1))) {
          i++;
        } else {
          throw new UnfitValueException(
              "22021", "the text has half a surrogate pair at " + i + ", which is no character");
        }
      }
    }
    putBytes(value.getBytes(StandardCharsets.UTF_8));
  }
}
