package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.batch.chunk.Purge;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.idempotency.Fingerprint;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Function;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/**
 * An inbox as it was declared. Immutable.
 *
 * @param own of the transactions that are not the handler's
 * @param handling of the handler's
 * @param lease how long a claim holds before its handler's transaction begins, and how long that
 *     may be silent
 * @param notYetFor how long a handler may say "not yet"
 */
record InboxOptions(
    Transactions transactions,
    String provider,
    String schema,
    SignatureVerifier signatures,
    EventIds ids,
    Function<byte[], Fingerprint> fingerprint,
    EventContent content,
    int maxBodyBytes,
    TxOptions own,
    TxOptions handling,
    Duration lease,
    Duration retention,
    Duration notYetFor,
    int maxAttempts,
    Duration firstPause,
    Duration longestPause,
    @Nullable MeterRegistry registry,
    WebhookMeters meters) {
  private static final Field<String> PROVIDER =
      DSL.field(DSL.name("provider"), SQLDataType.VARCHAR);
  private static final Field<OffsetDateTime> FINISHED_AT = time("finished_at");
  private static final Field<OffsetDateTime> DUE_AT = time("due_at");
  private static final Field<OffsetDateTime> RECEIVED_AT = time("received_at");
  private static final Field<String> EVENT_ID =
      DSL.field(DSL.name("event_id"), SQLDataType.VARCHAR);
  private static final Field<Long> ID = DSL.field(DSL.name("id"), SQLDataType.BIGINT);

  private static Field<OffsetDateTime> time(String name) {
    return DSL.field(DSL.name(name), SQLDataType.TIMESTAMPWITHTIMEZONE);
  }

  Table<?> eventTable() {
    return DSL.table(DSL.name(schema, "webhook_event"));
  }

  Table<?> conflictTable() {
    return DSL.table(DSL.name(schema, "webhook_conflict"));
  }

  List<ChunkedJob.Builder> purges() {
    return List.of(
        Purge.olderThan(transactions, "webhook-" + provider, eventTable(), FINISHED_AT, retention)
            .where(PROVIDER.eq(provider))
            .key(FINISHED_AT, PROVIDER, DUE_AT, EVENT_ID)
            .schema(schema),
        Purge.olderThan(
                transactions,
                "webhook-conflict-" + provider,
                conflictTable(),
                RECEIVED_AT,
                retention)
            .where(PROVIDER.eq(provider))
            .key(PROVIDER, RECEIVED_AT, ID)
            .schema(schema));
  }

  /** With jitter, so that what failed together does not come back together. */
  Duration pauseAfter(int attempts) {
    long mean = firstPause.toMillis() << Math.min(Math.max(0, attempts - 1), 30);
    long most = mean <= 0 ? longestPause.toMillis() : Math.min(mean, longestPause.toMillis());
    return Duration.ofMillis(ThreadLocalRandom.current().nextLong(most / 2, most + 1));
  }
}
