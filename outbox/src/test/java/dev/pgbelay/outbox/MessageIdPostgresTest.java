package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.outbox.Outbox.Appended;
import dev.pgbelay.outbox.Outbox.Appended.Outcome;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Ids that the producer gives: a message leaves once, however often it is appended. */
class MessageIdPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());
  private final ExecutorService others = Executors.newCachedThreadPool();
  private final String id = "id of " + fixture.topic;
  private Connection first;

  @BeforeEach
  void open() throws SQLException {
    first = postgres.dataSource().getConnection();
    first.setAutoCommit(false);
  }

  @AfterEach
  void close() throws SQLException {
    first.rollback();
    first.close();
    others.shutdownNow();
  }

  private NewMessage named(String id, String payload) {
    return fixture.message(payload).withMessageId(id);
  }

  private CompletableFuture<Appended> inAnotherTransaction() {
    return CompletableFuture.supplyAsync(() -> fixture.append(named(id, "second")), others);
  }

  @Test
  void sameId_isAppendedOnce() {
    assertThat(fixture.append(named(id, "1"))).isEqualTo(new Appended(id, Outcome.APPENDED));
    assertThat(fixture.append(named(id, "2"))).isEqualTo(new Appended(id, Outcome.DUPLICATE));
    assertThat(
            fixture.appendAll(
                List.of(
                    named(id, "3"),
                    fixture.message("4"),
                    named(id + "'", "5"),
                    named(id + "'", "6").withKey("k").withStrictOrder())))
        .extracting(Appended::outcome)
        .containsExactly(Outcome.DUPLICATE, Outcome.APPENDED, Outcome.APPENDED, Outcome.DUPLICATE);
    assertThat(fixture.payloads()).containsExactly("1", "4", "5");
  }

  @Test
  void sameIdOfMoreThanOneStatement_isAppendedOnce() {
    fixture.append(named(id + 7_000, "before"));
    List<NewMessage> messages =
        new ArrayList<>(IntStream.range(0, 7_500).mapToObj(i -> named(id + i, "p" + i)).toList());
    messages.add(named(id + 1, "again"));
    List<Appended> results = fixture.appendAll(messages);
    assertThat(
            IntStream.range(0, results.size())
                .filter(i -> results.get(i).outcome() == Outcome.DUPLICATE))
        .containsExactly(7_000, 7_500);
    assertThat(fixture.payloads())
        .hasSize(7_500)
        .startsWith("before", "p0", "p1")
        .doesNotContain("p7000", "again");
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void idOfATransactionUnderWay_isWaitedFor(boolean commits) throws Exception {
    fixture.outbox.append(Tx.join(first), named(id, "first"));
    CompletableFuture<Appended> second = inAnotherTransaction();
    OutboxFixture.await(() -> fixture.waiting("transactionid") == 1);
    if (commits) {
      first.commit();
    } else {
      first.rollback();
    }
    assertThat(second.get(60, TimeUnit.SECONDS).outcome())
        .isEqualTo(commits ? Outcome.DUPLICATE : Outcome.APPENDED);
    assertThat(fixture.payloads()).containsExactly(commits ? "first" : "second");
  }

  @Test
  void idAppendedAfterTheSnapshot_isSeenByTheRetry() {
    AtomicInteger runs = new AtomicInteger();
    TxOptions options = TxOptions.builder().isolation(TxOptions.Isolation.REPEATABLE_READ).build();
    Appended appended =
        fixture.transactions.run(
            options,
            tx -> {
              tx.dsl().fetch("select count(*) from pgbelay.outbox_lane");
              if (runs.incrementAndGet() == 1) {
                CompletableFuture.supplyAsync(() -> fixture.append(named(id, "first")), others)
                    .join();
              }
              return fixture.outbox.append(tx, named(id, "second"));
            });
    assertThat(appended.outcome()).isEqualTo(Outcome.DUPLICATE);
    assertThat(runs).hasValue(2);
    assertThat(fixture.payloads()).containsExactly("first");
  }

  /** Whoever had the second one already would deadlock with the other. */
  @Test
  void idsOfOneCall_areTakenInOneOrder() throws Exception {
    String a = "a " + id;
    String b = "b " + id;
    fixture.outbox.append(Tx.join(first), named(a, "x"));
    CompletableFuture<List<Appended>> one =
        CompletableFuture.supplyAsync(
            () -> fixture.appendAll(List.of(named(a, "1"), named(b, "1"))), others);
    CompletableFuture<List<Appended>> two =
        CompletableFuture.supplyAsync(
            () -> fixture.appendAll(List.of(named(b, "2"), named(a, "2"))), others);
    OutboxFixture.await(() -> fixture.waiting("transactionid") == 2);
    assertThat(
            fixture.count(
                "select count(*) from pg_stat_activity a join pg_locks l on l.pid = a.pid"
                    + " where l.locktype = 'transactionid' and not l.granted"
                    + " and a.datname = current_database() and a.backend_xid is not null"))
        .as("those that wait have written nothing yet")
        .isZero();
    first.rollback();
    one.get(60, TimeUnit.SECONDS);
    two.get(60, TimeUnit.SECONDS);
    assertThat(fixture.payloads()).isIn(List.of("1", "1"), List.of("2", "2"));
  }
}
