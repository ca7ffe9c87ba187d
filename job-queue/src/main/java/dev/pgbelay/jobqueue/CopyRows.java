package dev.pgbelay.jobqueue;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.sql.SQLException;
import java.util.Map;
import org.postgresql.copy.CopyIn;

/**
 * Rows of {@link CopySql} in COPY's binary form: each field behind its length, big-endian. A full
 * buffer is sent at once, so that the server works while the next is filled.
 */
final class CopyRows {
  private static final byte[] SIGNATURE = {
    'P', 'G', 'C', 'O', 'P', 'Y', '\n', (byte) 0xff, '\r', '\n', 0, 0, 0, 0, 0, 0, 0, 0, 0
  };
  private static final short FIELDS = 10;
  private static final int BUFFER = 1 << 16;

  /** The first one is sent early: until then the server has nothing to do. */
  private static final int FIRST_BUFFER = 1 << 13;

  private static final int TEXT_OID = 25;
  private static final long MICROS_1970_TO_2000 = 946_684_800_000_000L;

  private final CopyIn stream;
  private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER);

  /** What all rows have between id and payload. */
  private final byte[] same;

  CopyRows(CopyIn stream, NewJob<?> like, long micros) {
    this.stream = stream;
    this.same = same(like, micros);
    buffer.put(SIGNATURE);
    buffer.limit(FIRST_BUFFER);
  }

  private static byte[] same(NewJob<?> like, long micros) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream fields = new DataOutputStream(bytes);
    long headStart = like.priority().toSeconds();
    try {
      write(fields, like.queue().getBytes(UTF_8));
      write(fields, like.kind().name().getBytes(UTF_8));
      write(fields, "ready".getBytes(UTF_8));
      write(fields, micros - 1_000_000 * headStart);
      write(fields, micros - MICROS_1970_TO_2000);
      write(fields, like.maxAttempts());
      write(fields, (int) headStart);
      if (like.headers().isEmpty()) {
        fields.writeInt(-1);
      } else {
        write(fields, texts(like.headers()));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  private static void write(DataOutputStream fields, byte[] value) throws IOException {
    fields.writeInt(value.length);
    fields.write(value);
  }

  private static void write(DataOutputStream fields, long value) throws IOException {
    fields.writeInt(Long.BYTES);
    fields.writeLong(value);
  }

  private static void write(DataOutputStream fields, int value) throws IOException {
    fields.writeInt(Integer.BYTES);
    fields.writeInt(value);
  }

  /** An array of one dimension that begins at 1 and has no nulls: name, value, name, value. */
  private static byte[] texts(Map<String, String> headers) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream array = new DataOutputStream(bytes);
    for (int word : new int[] {1, 0, TEXT_OID, 2 * headers.size(), 1}) {
      array.writeInt(word);
    }
    for (Map.Entry<String, String> header : headers.entrySet()) {
      write(array, header.getKey().getBytes(UTF_8));
      write(array, header.getValue().getBytes(UTF_8));
    }
    return bytes.toByteArray();
  }

  void add(long id, byte[] payload) throws SQLException {
    room(Short.BYTES + Integer.BYTES + Long.BYTES);
    buffer.putShort(FIELDS).putInt(Long.BYTES).putLong(id);
    put(same);
    room(Integer.BYTES);
    buffer.putInt(payload.length);
    put(payload);
  }

  private void put(byte[] bytes) throws SQLException {
    int from = 0;
    while (from < bytes.length) {
      room(1);
      int length = Math.min(buffer.remaining(), bytes.length - from);
      buffer.put(bytes, from, length);
      from += length;
    }
  }

  private void room(int bytes) throws SQLException {
    if (buffer.remaining() < bytes) {
      send();
    }
  }

  private void send() throws SQLException {
    stream.writeToCopy(buffer.array(), 0, buffer.position());
    buffer.clear();
  }

  /** The server has taken all of them once this returns. */
  void end() throws SQLException {
    room(Short.BYTES);
    buffer.putShort((short) -1);
    send();
    stream.endCopy();
  }
}
