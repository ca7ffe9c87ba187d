package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.internal.KeyLock;
import dev.pgbelay.idempotency.testing.CrashPoints;
import dev.pgbelay.idempotency.testing.CrashReport;
import dev.pgbelay.idempotency.testing.SimulatedProcess;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.ds.PGSimpleDataSource;

/** Payments that begin with a call of their provider: one statement claims them. */
class ClaimAtOncePostgresTest {
  private static final class Ended implements StatementObserver {
    private final AtomicInteger transactions = new AtomicInteger();

    @Override
    public void executed(StatementEvent event) {}

    @Override
    public void ended(TransactionEvent event) {
      transactions.incrementAndGet();
    }
  }

  private static final Ended ENDED = new Ended();
  private static final Duration LONG = Duration.ofSeconds(60);

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(Shop.SCHEMA).withObserver(ENDED);

  private final SimulatedBank simulated = new SimulatedBank();

  private final Bank bank = new Bank();
  private final Shop shop = new Shop(postgres.dataSource(), postgres.jdbcUrl(), bank);

  @AfterEach
  void close() {
    shop.close();
  }

  private static PaymentOperation.Builder<String, String> steps(Shop shop) {
    return shop.bare(Shop.freshName())
        .provider(Shop.CHARGED, shop.bank, Shop.limits())
        .database(Shop.BOOKED, (tx, execution) -> Shop.write(tx, execution, "booked"))
        .respond(Shop::receipt);
  }

  @Test
  void firstCall_isThreeTransactionsAtMost_andReplaysAndOtherRequestsAreToldApart() {
    PaymentOperation<String, String> operation = steps(shop).build();
    IdempotencyKey key = operation.key("acme", Shop.freshName());
    int before = ENDED.transactions.get();
    assertThat(operation.execute(key, "10 EUR")).isEqualTo(Answer.executed("paid by ch-1"));
    assertThat(ENDED.transactions.get() - before).isBetween(1, 3);
    for (int i = 0; i < 20; i++) {
      assertThat(operation.execute(key, "10 EUR")).isEqualTo(Answer.replayed("paid by ch-1"));
    }
    assertThat(operation.execute(key, "11 EUR").outcome()).isEqualTo(Outcome.FINGERPRINT_MISMATCH);
    IdempotencyKey behindReplays = operation.key("acme", Shop.freshName());
    assertThat(operation.execute(behindReplays, "10 EUR").outcome()).isEqualTo(Outcome.EXECUTED);
    assertThat(bank.calls()).hasSize(2);
    assertThat(shop.written(key)).containsExactly("booked");
  }

  @Test
  void keyThatSomebodyHasLocked_isInProgressAndNobodyIsAsked() throws Exception {
    PaymentOperation<String, String> operation = steps(shop).build();
    IdempotencyKey key = operation.key("acme", Shop.freshName());
    try (Connection other = postgres.dataSource().getConnection();
        PreparedStatement lock = other.prepareStatement("select pg_advisory_lock(?)");
        PreparedStatement unlock = other.prepareStatement("select pg_advisory_unlock(?)")) {
      lock.setLong(1, KeyLock.number(key));
      unlock.setLong(1, KeyLock.number(key));
      lock.execute();
      try {
        assertThat(operation.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.IN_PROGRESS);
        assertThat(shop.state(key)).isEqualTo("none");
        assertThat(bank.calls()).isEmpty();
      } finally {
        unlock.execute();
      }
    }
    assertThat(operation.execute(key, "10 EUR").outcome()).isEqualTo(Outcome.EXECUTED);
  }

  @Test
  void roleWithSynchronousCommitOff_claimsNothing() {
    String url = postgres.jdbcUrl();
    String off = (url.contains("?") ? "&" : "?") + "options=-c%20synchronous_commit=off";
    try (HikariDataSource hasty = Shop.pool(url + off, 2);
        Shop careless = new Shop(hasty, url, bank)) {
      PaymentOperation<String, String> operation = steps(careless).build();
      IdempotencyKey key = operation.key("acme", Shop.freshName());
      assertThatThrownBy(() -> operation.execute(key, "10 EUR"))
          .hasMessageContaining("synchronous_commit is off");
      assertThat(bank.calls()).isEmpty();
      assertThat(shop.state(key)).isEqualTo("none");
    }
  }

  @Test
  void requestThatCannotBeStored_claimsNothing() {
    PaymentOperation<String, String> operation = steps(shop).maxBytes(20).build();
    IdempotencyKey key = operation.key("acme", Shop.freshName());
    assertThatThrownBy(() -> operation.execute(key, "x".repeat(21)))
        .hasMessageContaining("at most 20 are stored");
    assertThat(shop.state(key)).isEqualTo("none");
  }

  @Test
  void answerToTheClaimThatIsLost_leavesAKeyUnderWhichTheSameCallPaysOnce() throws Exception {
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
        HikariDataSource behind = Shop.pool(proxy.jdbcUrl(postgres.database().name()), 4);
        Shop process = new Shop(behind, postgres.jdbcUrl(), bank, Duration.ofMillis(500))) {
      PaymentOperation<String, String> operation = steps(process).build();
      assertThat(operation.execute(operation.key("acme", Shop.freshName()), "1 EUR").outcome())
          .isEqualTo(Outcome.EXECUTED);
      IdempotencyKey key = operation.key("acme", Shop.freshName());
      proxy.cutAfterBytes(FaultProxy.Direction.TO_CLIENT, 1);
      try {
        operation.execute(key, "10 EUR", LONG);
      } catch (OutcomeUnknownException lost) {
        assertThat(bank.calls()).hasSize(1);
      }
      proxy.heal();
      assertThat(operation.execute(key, "10 EUR", LONG).response()).contains("paid by ch-2");
      assertThat(bank.charged()).isEqualTo(2);
      assertThat(shop.written(key)).containsExactly("booked");
    }
  }

  @Test
  void paymentKilledOrStoppedAtAnyBoundary_chargesOnceBooksOnceAndHasOneAnswer() throws Exception {
    PGSimpleDataSource database = new PGSimpleDataSource();
    database.setUrl(postgres.jdbcUrl());
    CrashReport report =
        CrashPoints.of(database, this::pay, simulated::charged)
            .consistent((answer, effects) -> answer.startsWith("paid by ") && effects == 1)
            .patience(Duration.ofMinutes(2))
            .stoppedFor(Duration.ofSeconds(1))
            .run();
    report.requireSound();
    assertThat(report.boundaries().stream().filter("before the COMMIT"::equals))
        .as("the claim commits by itself")
        .hasSize(1);
    simulated.keys().forEach(key -> assertThat(writtenUnder(key)).isEqualTo(1));
  }

  private int writtenUnder(String key) {
    return shop.dsl
        .fetchSingle("select count(*) from written where key = ?", key)
        .get(0, Integer.class);
  }

  private Optional<String> pay(SimulatedProcess process, String key) {
    Payments payments =
        Payments.builder(Transactions.of(process.dataSource()), process.dataSource())
            .lease(Duration.ofMillis(300))
            .build();
    process.atEnd(payments);
    PaymentOperation<String, String> operation =
        payments
            .operation("begins-with-a-call", Shop::fingerprint, Codec.text(), Codec.text())
            .attempts(1_000, Duration.ofMillis(1), Duration.ofMillis(10))
            .provider(Shop.CHARGED, simulated.askedBy(process), Shop.limits())
            .database(Shop.BOOKED, (tx, execution) -> Shop.write(tx, execution, "booked"))
            .respond(Shop::receipt)
            .build();
    return operation.execute(operation.key("shop", key), "one coffee").response();
  }
}
