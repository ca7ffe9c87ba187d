package dev.pgbelay.idempotency.webhook;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.webhook.StoredEvent.State;
import dev.pgbelay.testing.PostgresExtension;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What becomes of stored events. */
class ProcessingPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(Inboxes.SCHEMA).withPoolSize(12);

  private static final Duration LONG = Duration.ofMinutes(2);

  /** For what takes a second or two where all is well. */
  private static final Duration SOME = Duration.ofSeconds(20);

  private static final Duration HOUR = Duration.ofHours(1);

  private final Inboxes bank = new Inboxes(postgres.dataSource());
  private final String id = Inboxes.freshId();
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final CountDownLatch begun = new CountDownLatch(1);
  private final CountDownLatch go = new CountDownLatch(1);

  @AfterEach
  void close() throws InterruptedException {
    go.countDown();
    threads.shutdownNow();
    assertThat(threads.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
  }

  private static WebhookWorker worker(WebhookInbox inbox, EventHandler handler) {
    return WebhookWorker.builder(inbox, handler).build();
  }

  private State state(WebhookInbox inbox) {
    return inbox.find(id).orElseThrow().state();
  }

  /** Until there is nothing due at once, whose pauses are a millisecond. */
  private void runAll(WebhookWorker worker, WebhookInbox inbox) {
    Awaitility.await("nothing is pending")
        .atMost(SOME)
        .pollInterval(Duration.ofMillis(5))
        .until(
            () -> {
              worker.runOnce();
              return inbox.pending(10).isEmpty();
            });
  }

  @Test
  void event_isProcessedOnce_withWhatItsHandlerWrote() throws Exception {
    WebhookInbox inbox = bank.inbox();
    bank.deliver(inbox, id, "paid");
    WebhookWorker worker = worker(inbox, Inboxes::see);
    assertThat(worker.runOnce()).isEqualTo(1);
    bank.deliver(inbox, id, "paid");
    assertThat(worker.runOnce()).isZero();
    assertThat(bank.seen(id)).containsExactly(id + "|paid");
    assertThat(state(inbox)).isEqualTo(State.PROCESSED);
    assertThat(bank.attempts("processed")).isEqualTo(1);
  }

  @Test
  void manyWorkersAndDuplicates_processEachEventOnce() throws Exception {
    WebhookInbox inbox = bank.inbox();
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < 30; i++) {
      ids.add(Inboxes.freshId());
    }
    List<Future<Integer>> workers = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      WebhookWorker worker = worker(inbox, Inboxes::see);
      workers.add(
          threads.submit(
              () -> {
                int handled = 0;
                for (String each : ids) {
                  bank.deliver(inbox, each, "paid");
                  handled += worker.runOnce();
                }
                return handled;
              }));
    }
    int handled = 0;
    for (Future<Integer> each : workers) {
      handled += each.get(LONG.toSeconds(), TimeUnit.SECONDS);
    }
    assertThat(handled).isEqualTo(30);
    for (String each : ids) {
      assertThat(bank.seen(each)).containsExactly(each + "|paid");
    }
  }

  @Test
  void handlerThatFails_leavesNothingAndIsTriedAgain_andParkedInTheEnd() throws Exception {
    WebhookInbox inbox = bank.inbox();
    bank.deliver(inbox, id, "paid");
    List<Integer> attempts = new ArrayList<>();
    WebhookWorker worker =
        worker(
            inbox,
            (tx, event) -> {
              attempts.add(event.attempt());
              Inboxes.see(tx, event);
              throw new IOException("broken");
            });
    runAll(worker, inbox);
    assertThat(attempts).containsExactly(1, 2, 3);
    assertThat(bank.seen(id)).isEmpty();
    assertThat(inbox.parked(10))
        .singleElement()
        .satisfies(
            parked -> {
              assertThat(parked.id()).isEqualTo(id);
              assertThat(parked.reason()).contains("failed 3 times, last with java.io.IOException");
              assertThat(parked.attempts()).isEqualTo(3);
            });
    assertThat(worker.runOnce()).isZero();
    assertThat(bank.attempts("failed")).isEqualTo(2);
    assertThat(bank.attempts("parked")).isEqualTo(1);
    assertThat(bank.gauge("parked")).isEqualTo(1);
  }

  @Test
  void poison_doesNotKeepOthersWaiting_whateverItThrows() throws Exception {
    WebhookInbox inbox = bank.inbox(options -> options.attempts(3, HOUR, HOUR));
    bank.deliver(inbox, id, "poison");
    List<String> others = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      others.add(Inboxes.freshId());
      bank.deliver(inbox, others.get(i), "paid");
    }
    WebhookWorker worker =
        worker(
            inbox,
            (tx, event) -> {
              if (event.text().endsWith("poison")) {
                throw new AssertionError("a bug");
              }
              return Inboxes.see(tx, event);
            });
    assertThat(worker.runOnce()).isEqualTo(4);
    for (String other : others) {
      assertThat(bank.seen(other)).hasSize(1);
    }
    assertThat(worker.runOnce()).as("not due").isZero();
    assertThat(inbox.pending(10))
        .singleElement()
        .satisfies(
            left ->
                assertThat(left.reason())
                    .contains("failed 1 times, last with java.lang.AssertionError"));
    assertThat(bank.gauge("pending")).isEqualTo(1);
    bank.age(id, "23 hours");
    WebhookWorker careful = worker(inbox, (tx, event) -> Handled.notYet("later"));
    careful.runOnce();
    careful.runOnce();
    assertThat(bank.gauge("pending.age")).isGreaterThan(82_000);
  }

  /** The attempt is counted before it begins: nothing is left of a process that is killed. */
  @Test
  void eventThatKillsItsProcess_isParkedToo() throws Exception {
    WebhookInbox inbox = bank.inbox();
    bank.deliver(inbox, id, "paid");
    for (int i = 0; i < 3; i++) {
      assertThat(worker(inbox, Inboxes::see).processing().claim()).isPresent();
      assertThat(worker(inbox, Inboxes::see).runOnce()).as("under a lease").isZero();
      bank.age(id, "1 hour");
    }
    assertThat(worker(inbox, Inboxes::see).runOnce()).isEqualTo(1);
    assertThat(state(inbox)).isEqualTo(State.PARKED);
    assertThat(inbox.find(id).orElseThrow().reason().orElseThrow()).contains("crashed");
    assertThat(bank.seen(id)).isEmpty();
    assertThat(bank.registry.get("pgbelay.idempotency.webhook.takeovers").counter().count())
        .isEqualTo(1);
  }

  @Test
  void notYet_takesBackWhatWasWritten_andEndsOnceItIsHere() throws Exception {
    WebhookInbox inbox = bank.inbox();
    bank.deliver(inbox, id, "paid");
    AtomicInteger calls = new AtomicInteger();
    WebhookWorker worker =
        worker(
            inbox,
            (tx, event) -> {
              Inboxes.see(tx, event);
              return calls.incrementAndGet() < 6
                  ? Handled.notYet("no such payment")
                  : Handled.processed();
            });
    runAll(worker, inbox);
    assertThat(state(inbox)).as("more often than failures would be let").isEqualTo(State.PROCESSED);
    assertThat(bank.seen(id)).hasSize(1);
    assertThat(bank.attempts("not_yet")).isEqualTo(5);
  }

  @Test
  void notYetForTooLong_isParkedWithItsReason_andRedrivenAnew() throws Exception {
    WebhookInbox inbox = bank.inbox();
    bank.deliver(inbox, id, "paid");
    WebhookWorker waiting = worker(inbox, (tx, event) -> Handled.notYet("no such payment"));
    waiting.runOnce();
    assertThat(state(inbox)).isEqualTo(State.PENDING);
    bank.age(id, "25 hours");
    waiting.runOnce();
    assertThat(inbox.parked(10))
        .singleElement()
        .satisfies(
            parked ->
                assertThat(parked.reason())
                    .contains("not yet for longer than PT24H: no such payment"));
    assertThat(inbox.redrive(id)).contains(State.PENDING);
    waiting.runOnce();
    assertThat(state(inbox)).as("its time is counted anew").isEqualTo(State.PENDING);
  }

  @Test
  void verdictPark_isForADecision_redriveAllAndDiscardAreOne() throws Exception {
    WebhookInbox inbox = bank.inbox();
    String other = Inboxes.freshId();
    bank.deliver(inbox, id, "paid");
    bank.deliver(inbox, other, "paid");
    WebhookWorker parking = worker(inbox, (tx, event) -> Handled.park("of an unknown kind"));
    assertThat(parking.runOnce()).isEqualTo(2);
    assertThat(inbox.parked(10)).extracting(StoredEvent::id).containsExactly(id, other);
    assertThat(inbox.parked(1)).hasSize(1);
    assertThat(inbox.discard(id, "a test of the bank's")).contains(State.DISCARDED);
    assertThat(inbox.redriveAll()).isEqualTo(1);
    assertThat(worker(inbox, Inboxes::see).runOnce()).isEqualTo(1);
    assertThat(bank.seen(id)).isEmpty();
    assertThat(bank.seen(other)).hasSize(1);
    assertThat(inbox.redrive(id)).contains(State.DISCARDED);
    assertThat(inbox.discard(other, "late")).contains(State.PROCESSED);
    assertThat(inbox.redrive("none")).isEmpty();
    assertThat(bank.deliver(inbox, id, "paid").outcome()).isEqualTo(Reception.Outcome.DUPLICATE);
  }

  /** Stopped between the claim and the handler's transaction. */
  @Test
  void workerStalledPastItsLease_doesNotEvenBegin() throws Exception {
    WebhookInbox inbox = bank.inbox();
    bank.deliver(inbox, id, "paid");
    Processing stalled = worker(inbox, (tx, event) -> Inboxes.see(tx, event, "stale")).processing();
    EventClaim claim = stalled.claim().orElseThrow();
    bank.age(id, "1 hour");
    WebhookInbox slow = bank.inbox(options -> options.attempts(3, HOUR, HOUR));
    assertThat(worker(slow, (tx, event) -> Handled.notYet("x")).runOnce()).isEqualTo(1);
    stalled.handle(claim);
    assertThat(bank.seen(id)).isEmpty();
    assertThat(inbox.find(id).orElseThrow().notYet()).isEqualTo(1);
    assertThat(bank.attempts("lost")).isEqualTo(1);
  }

  /** Nor may it park, free or fail what somebody else has by now. */
  @Test
  void workerStalledPastItsLease_cannotLeaveTheEventEither() throws Exception {
    WebhookInbox inbox = bank.inbox(options -> options.attempts(1, Inboxes.MOMENT, Inboxes.MOMENT));
    bank.deliver(inbox, id, "paid");
    Processing stalled =
        worker(
                inbox,
                (tx, event) -> {
                  throw new IOException("stale");
                })
            .processing();
    EventClaim first = stalled.claim().orElseThrow();
    bank.age(id, "1 hour");
    EventSql sql = new EventSql(inbox.options().eventTable(), inbox.provider());
    EventClaim second = worker(inbox, Inboxes::see).processing().claim().orElseThrow();
    assertThat(second.crashed()).isTrue();
    for (State left : List.of(State.PENDING, State.PARKED)) {
      boolean changed =
          sql.leave(
              bank.transactions,
              inbox.options().own(),
              first,
              new EventSql.Left(left, 0, 0, "stale", Duration.ZERO));
      assertThat(changed).isFalse();
    }
    assertThat(bank.transactions.<Boolean, RuntimeException>run(tx -> sql.finish(tx, first)))
        .isFalse();
    assertThat(bank.transactions.<Boolean, RuntimeException>run(tx -> sql.finish(tx, second)))
        .isTrue();
    stalled.handle(first);
    assertThat(state(inbox)).isEqualTo(State.PROCESSED);
  }

  /** Stopped within the handler: the server ends its transaction, and it changes nothing. */
  @Test
  void workerStalledWithinItsHandler_isEndedByTheServerAndChangesNothing() throws Exception {
    try (HikariDataSource own = Inboxes.pool(postgres.jdbcUrl(), 2, "select 1")) {
      Duration lease = Duration.ofMillis(500);
      WebhookInbox inbox =
          bank.inbox(options -> options.lease(lease).attempts(100, Inboxes.MOMENT, Inboxes.MOMENT));
      bank.deliver(inbox, id, "paid");
      WebhookInbox stalledInbox =
          new Inboxes(own)
              .inbox(options -> options.lease(lease).attempts(100, Inboxes.MOMENT, Inboxes.MOMENT));
      WebhookInbox same = as(stalledInbox, own, lease);
      WebhookWorker stalled =
          worker(
              same,
              (tx, event) -> {
                Inboxes.see(tx, event, "stale");
                begun.countDown();
                go.await();
                return Inboxes.see(tx, event, "stale too");
              });
      Future<Integer> first = threads.submit(stalled::runOnce);
      assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
      WebhookWorker second = worker(inbox, Inboxes::see);
      Awaitility.await("the successor's event is marked as processed")
          .atMost(SOME)
          .until(
              () -> {
                second.runOnce();
                return state(inbox) == State.PROCESSED;
              });
      go.countDown();
      first.get(60, TimeUnit.SECONDS);
      assertThat(bank.seen(id)).containsExactly(id + "|paid");
      assertThat(state(inbox)).isEqualTo(State.PROCESSED);
    }
  }

  /** The same provider, on another pool. */
  private WebhookInbox as(WebhookInbox any, HikariDataSource own, Duration lease) {
    return WebhookInbox.builder(
            dev.pgbelay.core.Transactions.of(own),
            bank.provider,
            bank.signatures,
            any.options().ids())
        .lease(lease)
        .attempts(100, Inboxes.MOMENT, Inboxes.MOMENT)
        .build();
  }

  /** As long as its transaction works, its lease may end: nobody else begins. */
  @Test
  void handlerThatWorksForLongerThanItsLease_keepsItsEvent() throws Exception {
    WebhookInbox inbox = bank.inbox(options -> options.lease(Duration.ofMillis(200)));
    bank.deliver(inbox, id, "paid");
    long lock = id.hashCode();
    bank.transactions.execute(
        tx -> {
          tx.dsl().fetch("select pg_advisory_xact_lock(?)", lock);
          WebhookWorker slow =
              worker(
                  inbox,
                  (own, event) -> {
                    begun.countDown();
                    own.dsl().fetch("select pg_advisory_xact_lock(?)", lock);
                    return Inboxes.see(own, event);
                  });
          Future<Integer> first = threads.submit(slow::runOnce);
          assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
          Awaitility.await()
              .atMost(LONG)
              .until(
                  () ->
                      bank.dsl
                          .fetchSingle(
                              "select lease_until < clock_timestamp() from pgbelay.webhook_event"
                                  + " where event_id = ?",
                              id)
                          .get(0, Boolean.class));
          Future<Integer> second =
              threads.submit(
                  () -> worker(inbox, (own, event) -> Inboxes.see(own, event, "twice")).runOnce());
          assertThat(second.get(60, TimeUnit.SECONDS)).isZero();
          assertThat(first.isDone()).isFalse();
        });
    Awaitility.await("the event is marked as processed")
        .atMost(SOME)
        .until(() -> state(inbox) == State.PROCESSED);
    assertThat(bank.seen(id)).containsExactly(id + "|paid");
  }

  @Test
  void errorOfTheDatabaseThatTheHandlerSwallows_isAFailure() throws Exception {
    WebhookInbox inbox = bank.inbox();
    bank.deliver(inbox, id, "paid");
    WebhookWorker careless =
        worker(
            inbox,
            (tx, event) -> {
              Inboxes.see(tx, event);
              try {
                tx.dsl().execute("select 1 / 0");
              } catch (RuntimeException swallowed) {
                // as careless handlers do
              }
              return Handled.processed();
            });
    careless.runOnce();
    assertThat(bank.seen(id)).isEmpty();
    assertThat(bank.attempts("processed")).isZero();
    assertThat(inbox.find(id).orElseThrow().state()).isNotEqualTo(State.PROCESSED);
  }

  @Test
  void contentThatTheCodecCannotRead_isParkedWithoutIt() throws Exception {
    bank.deliver(bank.inbox(), id, "payload-42");
    WebhookInbox unreadable =
        bank.inbox(
            options ->
                options.codec(
                    new Codec<>() {
                      @Override
                      public byte[] encode(byte[] value) {
                        return value.clone();
                      }

                      @Override
                      public byte[] decode(byte[] bytes) throws IOException {
                        throw new IOException("no key for payload-42");
                      }
                    }));
    assertThat(worker(unreadable, Inboxes::see).runOnce()).isEqualTo(1);
    assertThat(unreadable.parked(10))
        .singleElement()
        .satisfies(
            parked ->
                assertThat(parked.reason().orElseThrow())
                    .contains("cannot be read (java.io.IOException)")
                    .doesNotContain("payload-42"));
  }

  @Test
  void interruptOfTheHandler_givesTheEventBackUntried() throws Exception {
    WebhookInbox inbox = bank.inbox();
    bank.deliver(inbox, id, "paid");
    WebhookWorker interrupted =
        worker(
            inbox,
            (tx, event) -> {
              throw new InterruptedException();
            });
    Optional<Throwable> thrown = Optional.empty();
    try {
      interrupted.runOnce();
    } catch (InterruptedException e) {
      thrown = Optional.of(e);
    } finally {
      Thread.interrupted();
    }
    assertThat(thrown).isPresent();
    StoredEvent left = inbox.find(id).orElseThrow();
    assertThat(left.state()).isEqualTo(State.PENDING);
    assertThat(left.attempts()).isZero();
    assertThat(worker(inbox, Inboxes::see).runOnce()).isEqualTo(1);
  }

  @Test
  void workerThatRuns_isWokenByWhatIsStoredInItsProcess() {
    WebhookInbox inbox = bank.inbox();
    try (WebhookWorker worker =
        WebhookWorker.builder(inbox, Inboxes::see)
            .threads(2)
            .idlePause(Duration.ofMinutes(30), Duration.ofMinutes(30))
            .build()) {
      worker.start();
      assertThat(worker.loops()).hasSize(2);
      for (int i = 0; i < 3; i++) {
        String each = Inboxes.freshId();
        bank.deliver(inbox, each, "paid");
        Awaitility.await().atMost(LONG).until(() -> bank.seen(each).size() == 1);
      }
    }
  }
}
