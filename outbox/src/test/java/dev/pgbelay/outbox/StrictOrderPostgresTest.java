package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The order of ids and that of commits, with two transactions whose steps the test decides. A relay
 * delivers by ascending id what it sees, so a lower id that is committed later comes second.
 */
class StrictOrderPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());
  private final ExecutorService others = Executors.newCachedThreadPool();

  /** A transaction that the test ends. */
  private Connection first;

  /** Of two keys, the one whose lock has the lower number, and the other. */
  private final List<String> keys =
      List.of("a " + fixture.topic, "b " + fixture.topic).stream()
          .sorted(Comparator.comparing(key -> KeyPlace.lock("pgbelay", key)))
          .toList();

  private final String low = keys.get(0);
  private final String high = keys.get(1);

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

  private NewMessage strict(String key, String payload) {
    return fixture.message(key, payload).withStrictOrder();
  }

  private void appendFirst(NewMessage message) {
    fixture.outbox.append(Tx.join(first), message);
  }

  private CompletableFuture<?> inAnotherTransaction(List<NewMessage> messages) {
    return CompletableFuture.supplyAsync(() -> fixture.appendAll(messages), others);
  }

  private static void end(CompletableFuture<?> other) throws Exception {
    other.get(60, TimeUnit.SECONDS);
  }

  @Test
  void withoutStrictOrder_theLowerIdCanBeCommittedLater() throws Exception {
    appendFirst(fixture.message(low, "appended first"));
    end(inAnotherTransaction(List.of(fixture.message(low, "committed first"))));
    assertThat(fixture.payloads()).containsExactly("committed first");
    first.commit();
    assertThat(fixture.payloads()).containsExactly("appended first", "committed first");
  }

  @Test
  void inStrictOrder_theSecondDrawsNoIdBeforeTheFirstHasEnded() throws Exception {
    appendFirst(strict(low, "first"));
    long drawn = fixture.lastId();
    CompletableFuture<?> second =
        CompletableFuture.supplyAsync(() -> fixture.append(strict(low, "second")), others);
    OutboxFixture.await(() -> fixture.waiting("advisory") == 1);
    assertThat(fixture.lastId()).isEqualTo(drawn);
    assertThat(fixture.payloads()).isEmpty();
    first.commit();
    end(second);
    assertThat(fixture.payloads()).containsExactly("first", "second");
  }

  @Test
  void manyInStrictOrder_drawNoIdBeforeAllLocksAreTheirs() throws Exception {
    appendFirst(strict(high, "first"));
    long drawn = fixture.lastId();
    CompletableFuture<?> second =
        inAnotherTransaction(List.of(strict(high, "second"), strict(low, "third")));
    OutboxFixture.await(() -> fixture.waiting("advisory") == 1);
    assertThat(fixture.lastId()).isEqualTo(drawn);
    first.commit();
    end(second);
    assertThat(fixture.payloads()).containsExactly("first", "second", "third");
  }

  @Test
  void otherKey_isNotWaitedFor() throws Exception {
    appendFirst(strict(low, "first"));
    end(inAnotherTransaction(List.of(strict(high, "second"))));
    assertThat(fixture.payloads()).containsExactly("second");
  }

  /** Whoever had the higher one already would deadlock with the other. */
  @Test
  void keysOfOneCall_areLockedInOneOrder() throws Exception {
    appendFirst(strict(low, "first"));
    CompletableFuture<?> one = inAnotherTransaction(List.of(strict(low, "x"), strict(high, "y")));
    CompletableFuture<?> two = inAnotherTransaction(List.of(strict(high, "x"), strict(low, "y")));
    OutboxFixture.await(() -> fixture.waiting("advisory") == 2);
    assertThat(
            fixture.count(
                "select count(*) from pg_locks where locktype = 'advisory' and granted and"
                    + " (classid::bigint << 32) | objid::bigint = ?",
                KeyPlace.lock("pgbelay", high)))
        .isZero();
    first.commit();
    end(one);
    end(two);
    assertThat(fixture.payloads()).hasSize(5);
  }

  @Test
  void laterAppendToALowerLock_isRefusedAndTheTransactionGoesOn() {
    fixture.transactions.execute(
        tx -> {
          fixture.outbox.append(tx, strict(high, "1"));
          assertThatThrownBy(() -> fixture.outbox.append(tx, strict(low, "never")))
              .isInstanceOf(PgBelayException.class)
              .hasMessageContaining("key '" + low + "'")
              .hasMessageContaining("appendAll");
          assertThatThrownBy(
                  () ->
                      fixture.outbox.appendAll(
                          tx,
                          List.of(
                              strict(low, "never"),
                              fixture.message("never").withMessageId("never of strict"))))
              .hasMessageContaining("key '" + low + "'");
          fixture.outbox.append(tx, strict(high, "2"));
          fixture.outbox.append(tx, fixture.message(low, "3"));
        });
    assertThat(fixture.payloads()).containsExactly("1", "2", "3");
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_message_id where message_id = 'never of strict'"))
        .isZero();
  }

  @Test
  void laterAppendToALowerLockThatIsHeld_isFine() {
    fixture.transactions.execute(
        tx -> {
          fixture.outbox.append(tx, strict(low, "1"));
          fixture.outbox.append(tx, strict(high, "2"));
          fixture.outbox.append(tx, strict(low, "3"));
          fixture.outbox.appendAll(tx, List.of(strict(high, "4"), strict(low, "5")));
        });
    assertThat(fixture.payloads()).containsExactly("1", "2", "3", "4", "5");
  }

  @Test
  void afterARollbackToASavepoint_aLowerLockMayBeTaken() {
    fixture.transactions.execute(
        tx -> {
          assertThatThrownBy(
                  () ->
                      tx.dsl()
                          .transaction(
                              nested -> {
                                fixture.outbox.append(Tx.join(nested.dsl()), strict(high, "gone"));
                                throw new IllegalStateException("back");
                              }))
              .hasMessageContaining("back");
          fixture.outbox.append(tx, strict(low, "stays"));
        });
    assertThat(fixture.payloads()).containsExactly("stays");
  }

  /** Of which nobody is told: another one's transaction, and a savepoint as SQL text. */
  @Test
  void transactionOfAnotherOwner_isJudgedTheSame() throws Exception {
    appendFirst(strict(low, "1"));
    Savepoint before = first.setSavepoint();
    appendFirst(strict(high, "gone"));
    first.rollback(before);
    first.createStatement().execute("savepoint one");
    appendFirst(strict(high, "gone too"));
    first.createStatement().execute("rollback to savepoint one");
    appendFirst(strict(low, "2"));
    appendFirst(strict(high, "3"));
    first.commit();
    assertThat(fixture.payloads()).containsExactly("1", "2", "3");
    appendFirst(strict(high, "never"));
    assertThatThrownBy(() -> appendFirst(strict(low, "never")))
        .hasMessageContaining("key '" + low + "'");
  }

  @ParameterizedTest
  @EnumSource(
      value = TxOptions.Isolation.class,
      names = {"REPEATABLE_READ", "SERIALIZABLE"})
  void producerWithAnOldSnapshot_keepsTheOrder(TxOptions.Isolation isolation) throws Exception {
    TxOptions options = TxOptions.builder().isolation(isolation).build();
    appendFirst(strict(low, "first"));
    CompletableFuture<?> second =
        CompletableFuture.supplyAsync(
            () ->
                fixture.transactions.run(
                    options,
                    tx -> {
                      tx.dsl().fetch("select count(*) from pgbelay.outbox_lane");
                      return fixture.outbox.append(tx, strict(low, "second"));
                    }),
            others);
    OutboxFixture.await(() -> fixture.waiting("advisory") == 1);
    first.commit();
    end(second);
    assertThat(fixture.payloads()).containsExactly("first", "second");
  }

  @Test
  void nothingRemainsBehindTheTransaction() throws Exception {
    appendFirst(strict(low, "1"));
    first.commit();
    assertThat(
            fixture.count(
                "select count(*) from pg_locks where locktype = 'advisory' and pid in"
                    + " (select pid from pg_stat_activity where datname = current_database())"))
        .isZero();
    try (var row =
        first
            .createStatement()
            .executeQuery("select nullif(current_setting('pgbelay.outbox_lock', true), '')")) {
      row.next();
      assertThat(row.getString(1)).isNull();
    }
  }

  @Test
  void rollback_leavesNothing() throws Exception {
    fixture.outbox.appendAll(
        Tx.join(first),
        List.of(strict(low, "x"), fixture.message("y").withMessageId("of a rollback")));
    first.rollback();
    fixture.transactions.execute(
        tx -> {
          assertThatThrownBy(
                  () ->
                      tx.dsl()
                          .transaction(
                              nested -> {
                                fixture.outbox.append(
                                    Tx.join(nested.dsl()),
                                    fixture.message("z").withMessageId("of a savepoint"));
                                throw new IllegalStateException("back");
                              }))
              .hasMessageContaining("back");
        });
    assertThat(fixture.payloads()).isEmpty();
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_message_id where message_id like 'of a %'"))
        .isZero();
  }
}
