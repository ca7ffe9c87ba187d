package dev.pgbelay.servlet;

import dev.pgbelay.idempotency.Codec;
import jakarta.servlet.http.HttpServletResponse;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/**
 * A whole response.
 *
 * @param status of the response
 * @param headers in their order, with their names as they were set
 */
@SuppressWarnings("ArrayRecordComponent") // read by this package alone, never compared
record StoredResponse(int status, List<Header> headers, byte[] body) {
  /** The version of the bytes, first of them. */
  private static final int VERSION = 1;

  record Header(String name, String value) {}

  /** With the headers that are chosen, and no others. */
  StoredResponse with(Predicate<String> chosen) {
    return new StoredResponse(
        status, headers.stream().filter(header -> chosen.test(header.name())).toList(), body);
  }

  void writeTo(HttpServletResponse response) throws IOException {
    response.setStatus(status);
    for (Header header : headers) {
      if (header.name().equalsIgnoreCase("content-type")) {
        response.setContentType(header.value());
      } else {
        response.addHeader(header.name(), header.value());
      }
    }
    if (body.length > 0) {
      response.setContentLength(body.length);
      response.getOutputStream().write(body);
    }
  }

  static Codec<StoredResponse> codec(Codec<byte[]> outer) {
    return new Codec<>() {
      @Override
      public byte[] encode(StoredResponse value) {
        return outer.encode(value.toBytes());
      }

      @Override
      public StoredResponse decode(byte[] bytes) throws Exception {
        return fromBytes(outer.decode(bytes));
      }
    };
  }

  private byte[] toBytes() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(body.length + 256);
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      out.writeByte(VERSION);
      out.writeShort(status);
      out.writeShort(headers.size());
      for (Header header : headers) {
        out.writeUTF(header.name());
        out.writeUTF(header.value());
      }
      out.writeInt(body.length);
      out.write(body);
    } catch (IOException e) {
      // A header longer than 65,535 bytes.
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  private static StoredResponse fromBytes(byte[] bytes) throws IOException {
    try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
      int version = in.readByte();
      if (version != VERSION) {
        throw new IOException("a stored response has version " + version);
      }
      int status = in.readUnsignedShort();
      List<Header> headers = new ArrayList<>();
      for (int left = in.readUnsignedShort(); left > 0; left--) {
        headers.add(new Header(in.readUTF(), in.readUTF()));
      }
      byte[] body = new byte[in.readInt()];
      in.readFully(body);
      return new StoredResponse(status, headers, body);
    }
  }
}
