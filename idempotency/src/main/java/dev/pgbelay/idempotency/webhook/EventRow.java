package dev.pgbelay.idempotency.webhook;

import java.time.Instant;

/**
 * A delivery as it stands in its table.
 *
 * @param headers as the codec wrote them
 * @param body as the codec wrote it
 */
@SuppressWarnings("ArrayRecordComponent") // written and read by this module alone, never compared
record EventRow(String id, Instant receivedAt, byte[] headers, byte[] body) {}
