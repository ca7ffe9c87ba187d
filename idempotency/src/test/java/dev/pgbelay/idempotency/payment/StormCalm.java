package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.idempotency.payment.PaymentOperation.Settlement;
import dev.pgbelay.idempotency.testing.FakeCharge;
import dev.pgbelay.idempotency.testing.FakeEvent;
import dev.pgbelay.idempotency.testing.FakeProvider;
import dev.pgbelay.idempotency.webhook.WebhookWorker;
import java.time.Duration;
import javax.sql.DataSource;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** A process behind the storm, that reaches a healthy server and healthy providers. */
final class StormCalm implements AutoCloseable {
  private final StormProviders providers;
  private final DSLContext dsl;
  private final HikariDataSource keepAlive;
  private final StormShop shop;
  private final StormInbox inbox;

  StormCalm(DataSource work, String url, StormProviders providers) {
    this.providers = providers;
    this.dsl = DSL.using(work, SQLDialect.POSTGRES);
    this.keepAlive = StormProcess.pool(StormProcess.driver(url), 1);
    this.shop = new StormShop(work, keepAlive, providers.uris());
    this.inbox = new StormInbox(shop);
  }

  /**
   * Every event once more, also those that no process took; and all that are open are processed.
   */
  void deliverAll() throws Exception {
    for (FakeProvider provider : providers.all()) {
      for (FakeEvent event : provider.events()) {
        assertThat(inbox.deliver(event)).as("%s", event).isEqualTo(200);
      }
    }
    try (WebhookWorker worker = inbox.worker(1)) {
      Awaitility.await("events to be processed")
          .atMost(Duration.ofMinutes(5))
          .pollDelay(Duration.ZERO)
          .until(() -> worker.runOnce() == 0 && inbox.inbox.pending(1).isEmpty());
    }
  }

  /** Everything open is due, once. */
  void pass() throws Exception {
    int open =
        dsl.execute("update pgbelay.payment set due_at = now() where finished_at = 'infinity'");
    try (Completer completer =
        Completer.builder(shop.payments).grace(Duration.ZERO).perPass(Math.max(1, open)).build()) {
      completer.runOnce();
    }
  }

  /** An operator has looked at the provider: it never did what it was asked for. */
  void decide(StormTruth.Payment payment) throws Exception {
    String asked = payment.asked().orElseThrow();
    Settlement settlement =
        asked.equals(StormShop.REFUNDED.name())
            ? refundByHand(payment)
            : settle(
                payment.regime(),
                payment.key(),
                asked.equals(StormBank.CHARGE) ? StormShop.CHARGED : StormShop.COURIER,
                ProviderReply.refused("never came"));
    assertThat(settlement).as("%s", payment).isEqualTo(Settlement.SETTLED);
  }

  private Settlement refundByHand(StormTruth.Payment payment) throws Exception {
    String reference = StormBank.reference(payment.regime(), payment.key(), StormBank.CHARGE);
    String charge =
        providers.of(payment.regime()).charges().stream()
            .filter(each -> each.reference().equals(reference) && each.hasTakenEffect())
            .findFirst()
            .map(FakeCharge::id)
            .orElseThrow();
    int status =
        providers.client(payment.regime()).refund("by hand " + reference, charge).statusCode();
    assertThat(status).isEqualTo(201);
    return settle(
        payment.regime(), payment.key(), StormShop.REFUNDED, ProviderReply.succeeded(charge));
  }

  private Settlement settle(
      StormRegime regime, String key, StepKey<String> step, ProviderReply<String> reply) {
    return shop.transactions.run(tx -> shop.settle(tx, regime, key, step, reply));
  }

  @Override
  public void close() {
    shop.close();
    keepAlive.close();
  }
}
