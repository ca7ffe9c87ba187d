package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxWork;
import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.webhook.StoredEvent.State;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jooq.exception.DataAccessException;

/**
 * Takes in what one provider tells by webhook: each event once, stored before it is answered.
 *
 * <p><b>Guarantee.</b> A delivery that is answered with 200 is committed: its event will be
 * processed once, by a {@link WebhookWorker} here or in another process, however often it is
 * delivered within the retention. Whatever is refused (signature, time, size, id) is refused before
 * anything is written. An event id that comes with another body changes nothing, and is kept as a
 * finding: see {@link #conflicts}.
 *
 * <p>Owns no thread and holds no connection between calls; each method blocks for its statements,
 * which run in transactions of its own on path {@code webhook.} and the provider's name, and so are
 * refused while one is open on the thread. Safe for several threads; build one per provider's
 * account and process, and keep it.
 */
public final class WebhookInbox {
  private static final int MOST_LISTED = 100_000;

  private final InboxOptions options;
  private final Intake intake;
  private final EventListSql list;

  WebhookInbox(InboxOptions options) {
    this.options = options;
    this.intake = new Intake(options);
    this.list = new EventListSql(options.eventTable(), options.conflictTable(), options.provider());
  }

  /**
   * Begins with who sends.
   *
   * @param provider as it stands with the events: 1 to 40 of a-z, 0-9, dot and hyphen, a letter
   *     first; one name for each account whose event ids are its own
   * @param signatures who is believed
   * @param ids where the provider's event id is
   */
  public static WebhookInboxBuilder builder(
      Transactions transactions, String provider, SignatureVerifier signatures, EventIds ids) {
    return new WebhookInboxBuilder(transactions, provider, signatures, ids);
  }

  public String provider() {
    return options.provider();
  }

  /**
   * Checks a delivery, and stores it in one small transaction; answer with {@link
   * Reception#status}. A delivery that is sent twice at once is stored once.
   *
   * @param headers the values of a header by its name in lower case; an empty list where it is
   *     missing
   * @param body the bytes as they came
   * @throws dev.pgbelay.core.TransactionException if it could not be stored, or it is not known
   *     whether it was; or if a transaction is open on this thread. Answer 503: the provider comes
   *     again
   * @throws PgBelayException under {@code synchronous_commit = off}, or {@code local} with
   *     synchronous standbys: nothing is stored, a crash could forget it
   */
  public Reception receive(Function<String, List<String>> headers, byte[] body) {
    return intake.receive(headers, body);
  }

  /**
   * {@link #receive(Function, byte[])} of a body that is read here, and no further than the limit.
   *
   * @param body is not closed
   * @throws IOException if it cannot be read; nothing was stored
   */
  public Reception receive(Function<String, List<String>> headers, InputStream body)
      throws IOException {
    return intake.receive(headers, body.readNBytes(options.maxBodyBytes() + 1));
  }

  /** Events that are not processed yet, the oldest first. */
  public List<StoredEvent> pending(int limit) {
    return list(State.PENDING, limit);
  }

  /** Events that wait for a decision, the oldest first: see {@link #redrive}, {@link #discard}. */
  public List<StoredEvent> parked(int limit) {
    return list(State.PARKED, limit);
  }

  private List<StoredEvent> list(State state, int limit) {
    OptionRange.require("limit", limit, 1, MOST_LISTED);
    return run(tx -> list.list(tx.dsl(), state, limit));
  }

  /** How an event stands. */
  public Optional<StoredEvent> find(String eventId) {
    return run(tx -> list.find(tx.dsl(), eventId));
  }

  /**
   * What an event says, as it was first delivered.
   *
   * @throws PgBelayException if its codec cannot read it
   */
  public Optional<WebhookEvent> read(String eventId) {
    return run(tx -> list.read(tx.dsl(), eventId)).map(row -> options.content().event(row, 0));
  }

  /**
   * Deliveries that came with the id of another event and have another body, the oldest first. They
   * are not processed: ask the provider which one it means.
   *
   * @throws PgBelayException if the codec cannot read one
   */
  public List<WebhookEvent> conflicts(int limit) {
    OptionRange.require("limit", limit, 1, MOST_LISTED);
    return run(tx -> list.conflicts(tx.dsl(), limit)).stream()
        .map(row -> options.content().event(row, 0))
        .toList();
  }

  /**
   * Lets a parked event be tried again, with as many attempts as a new one.
   *
   * @return the state it is in now; empty if there is none of this id
   */
  public Optional<State> redrive(String eventId) {
    Optional<State> state =
        run(
            tx -> {
              list.redrive(tx.dsl(), eventId);
              return list.find(tx.dsl(), eventId).map(StoredEvent::state);
            });
    intake.wakeUp();
    return state;
  }

  /** {@link #redrive} of all that are parked; how many. */
  public int redriveAll() {
    int redriven = run(tx -> list.redriveAll(tx.dsl()));
    intake.wakeUp();
    return redriven;
  }

  /**
   * Ends a parked event unprocessed.
   *
   * @param reason is stored: without secrets; at most 200 characters are kept
   * @return the state it is in now; empty if there is none of this id
   */
  public Optional<State> discard(String eventId, String reason) {
    String kept = Handled.park(reason).reason();
    return run(
        tx -> {
          list.discard(tx.dsl(), eventId, kept);
          return list.find(tx.dsl(), eventId).map(StoredEvent::state);
        });
  }

  /**
   * The jobs that delete processed and discarded events, and conflicts, once they are older than
   * the retention; run them every day or hour. Pending and parked events stay. They need the table
   * of module {@code batch} as well.
   */
  public List<ChunkedJob.Builder> purges() {
    return options.purges();
  }

  /** On the inbox's own path, as its intake is. */
  private <T> T run(TxWork<T, RuntimeException> work) {
    try {
      return options.transactions().run(options.own(), work);
    } catch (DataAccessException e) {
      throw MissingTable.explained(e, "webhooks", "idempotency");
    }
  }

  InboxOptions options() {
    return options;
  }

  EventListSql list() {
    return list;
  }

  /** Tells a worker of this process as soon as there is something to do. */
  void onStored(Runnable wakeUp) {
    intake.onStored(wakeUp);
  }

  @Override
  public String toString() {
    return "WebhookInbox " + options.provider();
  }
}
