package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.internal.KeyRules;
import dev.pgbelay.idempotency.webhook.Reception.Outcome;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What is done with a delivery before it is answered. Safe for several threads. */
final class Intake {
  private static final Logger LOG = LoggerFactory.getLogger(WebhookInbox.class);

  /** A row can be purged between the two looks at it; not again and again. */
  private static final int MOST_LOOKS = 3;

  private final InboxOptions options;
  private final IntakeSql sql;
  private final List<Runnable> workers = new CopyOnWriteArrayList<>();

  Intake(InboxOptions options) {
    this.options = options;
    this.sql = new IntakeSql(options.eventTable(), options.conflictTable());
  }

  void onStored(Runnable wakeUp) {
    workers.add(wakeUp);
  }

  void wakeUp() {
    workers.forEach(Runnable::run);
  }

  Reception receive(Function<String, List<String>> headers, byte[] body) {
    Transactions.requireNone();
    long start = System.nanoTime();
    try {
      Reception reception = check(headers, body);
      options.meters().received(reception.outcome(), Duration.ofNanos(System.nanoTime() - start));
      return reception;
    } catch (RuntimeException | Error e) {
      options.meters().failed(Duration.ofNanos(System.nanoTime() - start));
      throw e;
    }
  }

  /** The cheapest first, and nothing of the body is read before its sender is known. */
  private Reception check(Function<String, List<String>> headers, byte[] body) {
    if (body.length > options.maxBodyBytes()) {
      return Reception.refused(
          Outcome.TOO_LARGE, "the body has more than " + options.maxBodyBytes() + " bytes");
    }
    SignatureVerifier.Verdict verdict = options.signatures().verify(headers, body);
    if (!verdict.isValid()) {
      return Reception.refused(Outcome.BAD_SIGNATURE, verdict.outcome() + ": " + verdict.detail());
    }
    Optional<String> id;
    try {
      id = options.ids().find(headers, body);
      if (id.isEmpty()) {
        return Reception.refused(Outcome.BAD_EVENT_ID, "there is no event id");
      }
    } catch (Exception e) {
      return Reception.refused(
          Outcome.BAD_EVENT_ID, "the event id could not be read: " + e.getClass().getName());
    }
    try {
      KeyRules.requireKey(id.get());
    } catch (PgBelayException e) {
      return Reception.refused(
          Outcome.BAD_EVENT_ID,
          "the event id must have 1 to 255 printable ASCII characters, and has others or "
              + id.get().length());
    }
    return store(
        new IntakeSql.Delivery(
            options.provider(),
            id.get(),
            options.fingerprint().apply(body),
            options.content().headers(headers),
            options.content().encode(body)));
  }

  private Reception store(IntakeSql.Delivery delivery) {
    for (int look = 1; look <= MOST_LOOKS; look++) {
      if (sql.store(options.transactions(), options.own(), delivery)) {
        wakeUp();
        return Reception.of(Outcome.STORED, delivery.eventId());
      }
      Optional<Outcome> repeated =
          options.transactions().run(options.own(), tx -> compare(tx, delivery));
      if (repeated.isPresent()) {
        return Reception.of(repeated.get(), delivery.eventId());
      }
    }
    throw new PgBelayException(
        "event "
            + options.provider()
            + "/"
            + delivery.eventId()
            + " could not be stored: it came and went "
            + MOST_LOOKS
            + " times");
  }

  /** Empty if the event is gone again. */
  private Optional<Outcome> compare(Tx tx, IntakeSql.Delivery delivery) {
    Optional<Fingerprint> stored = sql.stored(tx, delivery);
    if (stored.isEmpty()) {
      return Optional.empty();
    }
    if (isSame(delivery.fingerprint(), stored.get())) {
      return Optional.of(Outcome.DUPLICATE);
    }
    sql.keepConflict(tx, delivery);
    LOG.error(
        "event {}/{} came again with another body; it is kept as a conflict",
        options.provider(),
        delivery.eventId());
    return Optional.of(Outcome.CONFLICT);
  }

  /** By unlike rules it cannot be told; the id says that it is. */
  private static boolean isSame(Fingerprint delivered, Fingerprint stored) {
    try {
      return delivered.matches(stored);
    } catch (PgBelayException e) {
      return true;
    }
  }
}
