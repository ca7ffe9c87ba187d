package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.idempotency.testing.FakeCharge;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import javax.sql.DataSource;
import org.jooq.Record;

/**
 * The same payment as many libraries do it: the key is inserted as running, freed on an exception,
 * taken over once its lease is over, and whoever finishes writes the answer. Wrong on purpose.
 */
final class NaiveShop {
  private final Transactions transactions;
  private final Map<StormRegime, StormBank> banks;
  private final String holder;

  NaiveShop(DataSource work, Map<StormRegime, StormBank> banks, String holder) {
    this.transactions = Transactions.of(work);
    this.banks = banks;
    this.holder = holder;
  }

  /** The answer; empty if another call is at it. */
  Optional<String> call(StormRegime regime, String key) throws IOException, InterruptedException {
    Optional<String> known = transactions.run(tx -> stored(tx.dsl(), regime, key));
    if (known.isPresent()) {
      return known;
    }
    if (!transactions.run(tx -> claim(tx.dsl(), regime, key))) {
      return Optional.empty();
    }
    try {
      return Optional.of(pay(regime, key));
    } catch (IOException | RuntimeException e) {
      transactions.execute(
          tx ->
              tx.dsl()
                  .execute(
                      "delete from naive_key where operation = ? and key = ? and response is null",
                      regime.operation(),
                      key));
      throw e;
    }
  }

  private static Optional<String> stored(org.jooq.DSLContext dsl, StormRegime regime, String key) {
    Record row =
        dsl.fetchOne(
            "select response from naive_key where operation = ? and key = ?",
            regime.operation(),
            key);
    return Optional.ofNullable(row).map(found -> found.get(0, String.class));
  }

  private boolean claim(org.jooq.DSLContext dsl, StormRegime regime, String key) {
    return dsl.execute(
            "insert into naive_key as k values (?, ?, null, ?, clock_timestamp() + ? * interval '1"
                + " millisecond') on conflict (operation, key) do update set holder ="
                + " excluded.holder, until = excluded.until where k.response is null and k.until <"
                + " clock_timestamp()",
            regime.operation(),
            key,
            holder,
            StormShop.LEASE.toMillis())
        == 1;
  }

  private String pay(StormRegime regime, String key) throws IOException, InterruptedException {
    Optional<String> charge = take(regime, key, StormBank.CHARGE);
    Optional<String> courier =
        charge.isPresent() ? take(regime, key, StormBank.COURIER) : Optional.empty();
    return transactions.run(
        tx -> {
          String response = "refused: declined";
          if (charge.isPresent() && courier.isPresent()) {
            StormShop.book(tx, regime.operation(), key, charge.get(), courier.get());
            response = StormShop.paid(charge.get(), courier.get());
          }
          tx.dsl()
              .execute(
                  "update naive_key set response = ? where operation = ? and key = ?",
                  response,
                  regime.operation(),
                  key);
          return StormShop.receipt(tx, regime.operation(), key, response);
        });
  }

  /** Empty if it was declined. */
  private Optional<String> take(StormRegime regime, String key, String what)
      throws IOException, InterruptedException {
    String reference = StormBank.reference(regime, key, what);
    HttpResponse<String> answer =
        Objects.requireNonNull(banks.get(regime)).send(reference, reference, what);
    return switch (answer.statusCode()) {
      case 201 -> Optional.of(FakeCharge.parse(answer.body()).id());
      case 402 -> Optional.empty();
      default -> throw new IOException("status " + answer.statusCode());
    };
  }
}
