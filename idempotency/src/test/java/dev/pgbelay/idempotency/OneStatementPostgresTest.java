package dev.pgbelay.idempotency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jooq.DSLContext;
import org.jooq.ResultQuery;
import org.jooq.SQLDialect;
import org.jooq.conf.Settings;
import org.jooq.conf.StatementType;
import org.jooq.exception.DataAccessException;
import org.jooq.exception.IntegrityConstraintViolationException;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Operations that are one statement. */
class OneStatementPostgresTest {
  private static final Duration LONG = Duration.ofMinutes(2);

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(KeyFixture.SCHEMA);

  private final KeyFixture fixture = new KeyFixture(postgres.dataSource());
  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final Operation<String, String> operation = fixture.operation;
  private final IdempotencyKey key = fixture.freshKey();
  private final ExecutorService threads = Executors.newCachedThreadPool();

  @BeforeEach
  void table() {
    dsl.execute(
        "create table if not exists typed (id uuid primary key, at timestamptz, tags text[],"
            + " note text)");
  }

  @AfterEach
  void stop() throws InterruptedException {
    threads.shutdownNow();
    assertThat(threads.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
  }

  private static ResultQuery<?> place(IdempotencyKey key) {
    return DSL.resultQuery("insert into placed (key) values (?) returning key", key.key());
  }

  private Answer<String> call(Operation<String, String> of, IdempotencyKey under, String request) {
    return of.executeStatement(under, request, Duration.ZERO, place(under), "placed");
  }

  @Test
  void firstCall_executes_andTheNextOnesAreReplays() {
    assertThat(call(operation, key, "two apples")).isEqualTo(Answer.executed("placed"));
    for (int i = 0; i < 40; i++) {
      assertThat(call(operation, key, "two apples")).isEqualTo(Answer.replayed("placed"));
    }
    assertThat(call(operation, key, "three apples").outcome())
        .isEqualTo(Outcome.FINGERPRINT_MISMATCH);
    assertThat(operation.execute(key, "two apples", tx -> "other"))
        .isEqualTo(Answer.replayed("placed"));
    assertThat(fixture.placed(key)).isEqualTo(1);
    assertThat(fixture.kept(key)).isEqualTo(1);
  }

  @Test
  void answerOfOtherWork_isReplayed_andTheStatementChangesNothing() {
    operation.execute(key, "two apples", tx -> "by work");
    assertThat(call(operation, key, "two apples")).isEqualTo(Answer.replayed("by work"));
    assertThat(fixture.placed(key)).isZero();
  }

  @Test
  void expiredAnswer_isToldSo() {
    call(operation, key, "two apples");
    fixture.age(key, "100 hours");
    assertThat(call(operation, key, "two apples").outcome()).isEqualTo(Outcome.EXPIRED);
  }

  /** Ten times, so that the driver's prepared statements are met as well. */
  @Test
  void valuesOfManyTypes_areBoundAsJooqBindsThem() {
    OffsetDateTime at = OffsetDateTime.of(2026, 11, 21, 14, 0, 0, 0, ZoneOffset.UTC);
    for (int i = 0; i < 10; i++) {
      UUID id = UUID.randomUUID();
      IdempotencyKey one = fixture.freshKey();
      ResultQuery<?> insert =
          dsl.insertInto(DSL.table(DSL.name("typed")))
              .set(DSL.field(DSL.name("id"), SQLDataType.UUID), id)
              .set(DSL.field(DSL.name("at"), SQLDataType.TIMESTAMPWITHTIMEZONE), at)
              .set(
                  DSL.field(DSL.name("tags"), SQLDataType.VARCHAR.getArrayDataType()),
                  new String[] {"a", "b ? c"})
              .set(DSL.field(DSL.name("note"), SQLDataType.VARCHAR), (String) null)
              .returning(DSL.field(DSL.name("note")));
      Answer<String> answer =
          operation.executeStatement(one, "typed", Duration.ZERO, insert, "typed");
      assertThat(answer.outcome()).isEqualTo(Outcome.EXECUTED);
      assertThat(dsl.fetchSingle("select at, tags, note from typed where id = ?", id).intoList())
          .satisfies(
              row -> {
                assertThat(((OffsetDateTime) row.get(0)).toInstant()).isEqualTo(at.toInstant());
                assertThat((Object[]) row.get(1)).containsExactly("a", "b ? c");
                assertThat(row.get(2)).isNull();
              });
    }
  }

  @Test
  void configurationWithoutParameters_isRenderedWithThem() {
    DSLContext inlined =
        DSL.using(
            SQLDialect.POSTGRES, new Settings().withStatementType(StatementType.STATIC_STATEMENT));
    ResultQuery<?> insert =
        inlined.resultQuery("insert into placed (key) values (?) returning 1", key.key());
    assertThat(operation.executeStatement(key, "two apples", LONG, insert, "placed").outcome())
        .isEqualTo(Outcome.EXECUTED);
    assertThat(fixture.placed(key)).isEqualTo(1);
  }

  @Test
  void statementThatChangesNoRow_isAFailure_andTheKeyStaysFree() {
    ResultQuery<?> update =
        DSL.resultQuery("update placed set note = 'paid' where key = ? returning key", key.key());
    assertThatThrownBy(() -> operation.executeStatement(key, "two", LONG, update, "paid"))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("returned no row");
    assertThat(fixture.kept(key)).isZero();
    dsl.execute("insert into placed (key) values (?)", key.key());
    assertThat(operation.executeStatement(key, "two", LONG, update, "paid").outcome())
        .isEqualTo(Outcome.EXECUTED);
  }

  @Test
  void statementThatFails_leavesNothing_andTheKeyFree() {
    UUID id = UUID.randomUUID();
    ResultQuery<?> insert = DSL.resultQuery("insert into typed (id) values (?) returning 1", id);
    dsl.execute("insert into typed (id) values (?)", id);
    assertThatThrownBy(() -> operation.executeStatement(key, "two", LONG, insert, "done"))
        .isInstanceOf(IntegrityConstraintViolationException.class)
        .hasMessageContaining("nothing was done");
    assertThatThrownBy(
            () ->
                operation.executeStatement(
                    key, "two", LONG, DSL.resultQuery("insert into nowhere default values"), "x"))
        .isInstanceOf(DataAccessException.class);
    assertThat(fixture.kept(key)).isZero();
    dsl.execute("delete from typed where id = ?", id);
    assertThat(operation.executeStatement(key, "two", LONG, insert, "done").outcome())
        .isEqualTo(Outcome.EXECUTED);
  }

  @Test
  void selectAndStatementInsideATransaction_areRefused() {
    assertThatThrownBy(() -> operation.executeStatement(key, "two", LONG, DSL.selectOne(), "done"))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("RETURNING");
    assertThatThrownBy(() -> fixture.transactions.execute(tx -> call(operation, key, "two apples")))
        .isInstanceOf(TransactionException.class);
    assertThat(fixture.kept(key)).isZero();
  }

  @Test
  void duplicateOfRunningWork_isToldSo_andTheStatementChangesNothing() throws Exception {
    CountDownLatch running = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    Future<Answer<String>> first =
        threads.submit(
            () ->
                operation.execute(
                    key,
                    "two apples",
                    tx -> {
                      running.countDown();
                      go.await();
                      return KeyFixture.place(tx, key);
                    }));
    running.await();
    assertThat(call(operation, key, "two apples").outcome()).isEqualTo(Outcome.IN_PROGRESS);
    Future<Answer<String>> waiting =
        threads.submit(
            () -> operation.executeStatement(key, "two apples", LONG, place(key), "placed"));
    go.countDown();
    String response = "placed " + key.key();
    assertThat(first.get(60, TimeUnit.SECONDS)).isEqualTo(Answer.executed(response));
    assertThat(waiting.get(60, TimeUnit.SECONDS)).isEqualTo(Answer.replayed(response));
    assertThat(fixture.placed(key)).isEqualTo(1);
  }

  @Test
  void manyAtOnce_executeOnce() throws Exception {
    for (int round = 0; round < 20; round++) {
      IdempotencyKey one = fixture.freshKey();
      CountDownLatch go = new CountDownLatch(1);
      List<Future<Answer<String>>> calls = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        calls.add(
            threads.submit(
                () -> {
                  go.await();
                  return operation.executeStatement(one, "two", LONG, place(one), "placed");
                }));
      }
      go.countDown();
      int executed = 0;
      for (Future<Answer<String>> call : calls) {
        Answer<String> answer = call.get(60, TimeUnit.SECONDS);
        assertThat(answer.response()).contains("placed");
        executed += answer.outcome() == Outcome.EXECUTED ? 1 : 0;
      }
      assertThat(executed).isEqualTo(1);
      assertThat(fixture.placed(one)).isEqualTo(1);
    }
  }

  /** Options that need messages of their own make it an ordinary transaction. */
  @Test
  void serializable_executesOnceAndReplays() {
    Operation<String, String> strict =
        KeyFixture.operation(fixture.idempotency)
            .options(
                TxOptions.builder()
                    .path("strict")
                    .isolation(TxOptions.Isolation.SERIALIZABLE)
                    .build())
            .build();
    IdempotencyKey one = strict.key("acme", "strict");
    assertThat(call(strict, one, "two").outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(call(strict, one, "two").outcome()).isEqualTo(Outcome.REPLAYED);
    assertThat(fixture.placed(one)).isEqualTo(1);
  }

  @Test
  void poolOutsideAutocommit_commitsAsWell() {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(2);
    config.setAutoCommit(false);
    try (HikariDataSource pool = new HikariDataSource(config)) {
      KeyFixture other = new KeyFixture(pool);
      IdempotencyKey one = other.freshKey();
      assertThat(call(other.operation, one, "two").outcome()).isEqualTo(Outcome.EXECUTED);
      assertThat(call(other.operation, one, "two").outcome()).isEqualTo(Outcome.REPLAYED);
      assertThat(fixture.placed(one)).isEqualTo(1);
    }
  }

  /** Found out at once, or by the same call again: which, depends on when the session has ended. */
  @Test
  void answerThatIsLost_isNeverASecondEffect() {
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
        HikariDataSource pool = KeyFixture.pool(proxy.jdbcUrl(postgres.database().name()), 2)) {
      KeyFixture remote = new KeyFixture(pool);
      IdempotencyKey one = remote.freshKey();
      call(remote.operation, remote.freshKey(), "warm up");
      proxy.cutAfterBytes(FaultProxy.Direction.TO_CLIENT, 1);
      try {
        assertThat(call(remote.operation, one, "two").response()).contains("placed");
      } catch (OutcomeUnknownException e) {
        assertThat(e).hasMessageContaining("may or may not");
      }
      proxy.heal();
      Answer<String> again =
          remote.operation.executeStatement(one, "two", LONG, place(one), "placed");
      assertThat(again.response()).contains("placed");
      assertThat(fixture.placed(one)).isEqualTo(1);
    }
  }
}
