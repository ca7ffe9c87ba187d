package dev.pgbelay.testing;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Reads the frames of the protocol's version 3, one at a time, into one buffer that grows with the
 * largest. See "Message Formats" in the PostgreSQL manual.
 */
final class WireMessages {
  static final int SSL_REQUEST = 80877103;
  static final int GSS_REQUEST = 80877104;
  static final int CANCEL_REQUEST = 80877102;

  private static final int CHUNK = 64 * 1024;

  private final InputStream in;
  private byte[] buffer = new byte[CHUNK];
  private int length;
  private int position;

  WireMessages(InputStream in) {
    this.in = new BufferedInputStream(in, CHUNK);
  }

  /** A message of the start-up phase, which has no type byte; false at a clean end. */
  boolean readStartup() throws IOException {
    return readFrame(0);
  }

  /** A typed message; false at a clean end. */
  boolean read() throws IOException {
    return readFrame(1);
  }

  /** Whatever has arrived, without looking at it; false at the end. */
  boolean readRaw() throws IOException {
    length = in.read(buffer, 0, CHUNK);
    return length > 0;
  }

  private boolean readFrame(int typeLength) throws IOException {
    int header = typeLength + 4;
    int got = in.readNBytes(buffer, 0, header);
    length = got;
    if (got == 0) {
      return false;
    }
    if (got < header) {
      throw new EOFException("the connection ended inside a message");
    }
    int body = intAt(typeLength) - 4;
    if (body < 0) {
      throw new IOException("not a message of the PostgreSQL protocol: length " + (body + 4));
    }
    if (header + body > buffer.length) {
      buffer = Arrays.copyOf(buffer, header + body);
    }
    length = header + in.readNBytes(buffer, header, body);
    if (length < header + body) {
      throw new EOFException("the connection ended inside a message");
    }
    position = header;
    return true;
  }

  /** More could be read without waiting. */
  boolean hasMore() throws IOException {
    return in.available() > 0;
  }

  byte[] bytes() {
    return buffer;
  }

  int length() {
    return length;
  }

  char type() {
    return (char) buffer[0];
  }

  int startupCode() {
    return intAt(4);
  }

  /** The next byte of the body. */
  char nextByte() {
    return (char) buffer[position++];
  }

  /** The next string of the body. */
  String nextString() {
    int end = position;
    while (end < length && buffer[end] != 0) {
      end++;
    }
    String text = new String(buffer, position, end - position, StandardCharsets.UTF_8);
    position = Math.min(end + 1, length);
    return text;
  }

  private int intAt(int offset) {
    return (buffer[offset] & 0xff) << 24
        | (buffer[offset + 1] & 0xff) << 16
        | (buffer[offset + 2] & 0xff) << 8
        | (buffer[offset + 3] & 0xff);
  }
}
