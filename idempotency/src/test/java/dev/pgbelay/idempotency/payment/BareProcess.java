package dev.pgbelay.idempotency.payment;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.Idempotency;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Operation;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** A service without the optional libraries: both kinds of operation, and a completer. */
final class BareProcess {
  private static final Duration LONG = Duration.ofMinutes(1);

  private static final StepKey<String> CHARGED = StepKey.of("charge", Codec.text());

  private BareProcess() {}

  private static Fingerprint fingerprint(String request) {
    return Fingerprint.of(1, request.getBytes(StandardCharsets.UTF_8));
  }

  private static HikariDataSource pool(String url, int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(size);
    return new HikariDataSource(config);
  }

  /** With the address of the database. */
  public static void main(String[] args) throws Exception {
    try (HikariDataSource pool = pool(args[0], 2);
        HikariDataSource leases = pool(args[0], 1)) {
      System.out.println(absent("io.micrometer.core.instrument.MeterRegistry"));
      System.out.println(absent("com.github.benmanes.caffeine.cache.Cache"));
      Transactions transactions = Transactions.of(pool);
      Operation<String, String> simple =
          Idempotency.builder(transactions, pool)
              .build()
              .operation("bare-simple", BareProcess::fingerprint, Codec.text())
              .build();
      for (int i = 0; i < 2; i++) {
        System.out.println(simple.execute(simple.key("acme", "k"), "r", tx -> "done").outcome());
      }
      pay(transactions, leases);
    }
  }

  private static String absent(String name) {
    try {
      Class.forName(name);
      return name + " is here";
    } catch (ClassNotFoundException e) {
      return "absent";
    }
  }

  private static void pay(Transactions transactions, HikariDataSource leases)
      throws InterruptedException {
    Bank bank = new Bank().then(Bank.timeoutAfterActing());
    try (Payments payments = Payments.builder(transactions, leases).build()) {
      PaymentOperation<String, String> operation =
          payments
              .operation("bare-payment", BareProcess::fingerprint, Codec.text(), Codec.text())
              .provider(
                  CHARGED,
                  bank,
                  ProviderLimits.builder("bank", Duration.ofDays(1), LONG)
                      .attempts(1, Duration.ofMillis(1))
                      .build())
              .attempts(3, Duration.ofMillis(1), Duration.ofMillis(2))
              .respond((tx, execution) -> "paid by " + execution.result(CHARGED))
              .build();
      IdempotencyKey key = operation.key("acme", "k");
      System.out.println(operation.execute(key, "r").outcome());
      try (Completer completer = Completer.builder(payments).build()) {
        completer.start();
        long begin = System.nanoTime();
        Answer<String> answer = operation.execute(key, "r");
        while (answer.response().isEmpty() && System.nanoTime() - begin < LONG.toNanos()) {
          Thread.sleep(5);
          answer = operation.execute(key, "r");
        }
        System.out.println(answer.response().orElse("nothing") + ", " + bank.charged());
      }
    }
  }
}
