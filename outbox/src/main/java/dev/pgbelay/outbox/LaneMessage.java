package dev.pgbelay.outbox;

import dev.pgbelay.core.CommitPosition;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A message in this process. Its fields that change are guarded by the window's lock. */
final class LaneMessage {
  /** Rough, for what a message needs beside its texts. */
  private static final int OVERHEAD = 400;

  /** Where the server does not tell positions: no other position compares with it. */
  private static final CommitPosition NOWHERE = new CommitPosition(0, 1, 0);

  final LaneClaim lane;
  final long id;

  /** Where its row lies, unless it was held; null if that is not known. */
  final @Nullable String at;

  final Content content;
  final int weight;

  /** Null while it is in the database only, or is not needed any more. */
  byte @Nullable [] payload;

  int attempt = 1;

  /** Of the statement that has shown it; null where the server does not tell. */
  @Nullable CommitPosition position;

  /** Of its key; null for a message without, unless it was held. */
  @Nullable LaneQueue queue;

  /** What does not change, as it was read. */
  record Content(
      String messageId,
      String topic,
      @Nullable String key,
      @Nullable String type,
      Map<String, String> headers,
      long appendedAtMicros,
      boolean replay) {}

  LaneMessage(
      LaneClaim lane, long id, @Nullable String at, Content content, byte @Nullable [] payload) {
    this.lane = lane;
    this.id = id;
    this.at = at;
    this.content = content;
    this.payload = payload;
    this.weight = OVERHEAD + weight(content.headers()) + (payload == null ? 0 : payload.length);
  }

  /** A message may have 32 headers of 4,096 characters, which is more than its payload then. */
  private static int weight(Map<String, String> headers) {
    int weight = 0;
    for (Map.Entry<String, String> header : headers.entrySet()) {
      weight += 100 + header.getKey().length() + header.getValue().length();
    }
    return weight;
  }

  @Nullable String key() {
    return content.key();
  }

  /** Under which it is held, should it be. */
  String holdKey() {
    String key = content.key();
    return key == null ? "m:" + id : "k:" + key;
  }

  Message given(byte[] ofPayload) {
    return new Message(
        id,
        content.messageId(),
        content.topic(),
        Optional.ofNullable(content.key()),
        Optional.ofNullable(content.type()),
        content.headers(),
        ofPayload,
        Instant.EPOCH.plus(content.appendedAtMicros(), ChronoUnit.MICROS),
        attempt,
        lane.name,
        content.replay(),
        position == null ? NOWHERE : position);
  }
}
