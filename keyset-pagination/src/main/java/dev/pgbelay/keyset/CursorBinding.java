package dev.pgbelay.keyset;

import java.io.ByteArrayOutputStream;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.UnaryOperator;

/** What a cursor is good for: one query and order, one scope, one set of filter values. */
final class CursorBinding {
  private final String queryName;
  private final List<byte[]> parts;
  private final Map<String, byte[]> byKey = new ConcurrentHashMap<>();

  CursorBinding(String queryName, byte[] query, byte[] scope, byte[] filters) {
    this.queryName = queryName;
    this.parts = List.of(query, scope, filters);
  }

  String queryName() {
    return queryName;
  }

  /** The three fingerprints under one key, computed once per key. */
  byte[] fingerprints(String keyName, UnaryOperator<byte[]> digest) {
    return byKey.computeIfAbsent(
        keyName,
        name -> {
          ByteArrayOutputStream all = new ByteArrayOutputStream();
          parts.forEach(part -> all.writeBytes(digest.apply(part)));
          return all.toByteArray();
        });
  }
}
