package dev.pgbelay.idempotency.payment;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.core.TxOptions;
import dev.pgbelay.idempotency.payment.PaymentOperation.Settlement;
import dev.pgbelay.idempotency.testing.FakeEvent;
import dev.pgbelay.idempotency.webhook.Handled;
import dev.pgbelay.idempotency.webhook.HmacSignatures;
import dev.pgbelay.idempotency.webhook.WebhookInbox;
import dev.pgbelay.idempotency.webhook.WebhookWorker;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import org.jooq.DSLContext;

/**
 * Where the storm's webhooks are stored, answered and processed. Each handler notes what its event
 * was good for in a table without a unique constraint: what is handled twice is there twice.
 */
final class StormInbox {
  static final String TABLE = "create table handled (event text, settlement text)";

  private static final HmacSignatures SIGNATURES =
      HmacSignatures.builder(InstantSource.system())
          .secret("storm", "the provider's secret of the storm".getBytes(UTF_8))
          .build();
  private static final TxOptions HANDLING =
      TxOptions.builder().path("storm-webhook").lockTimeout(Duration.ofSeconds(1)).build();

  final WebhookInbox inbox;
  private final StormShop shop;

  StormInbox(StormShop shop) {
    this.shop = shop;
    this.inbox =
        WebhookInbox.builder(shop.transactions, "storm", SIGNATURES, (headers, body) -> id(body))
            .options(HANDLING)
            .lease(StormShop.LEASE)
            .attempts(1_000, Duration.ofMillis(10), Duration.ofMillis(500))
            .build();
  }

  static HmacSignatures signatures() {
    return SIGNATURES;
  }

  /** Each provider counts its own. */
  static String id(FakeEvent event) {
    return event.charge().reference().split("/", 2)[0] + "/" + event.id();
  }

  private static Optional<String> id(byte[] body) {
    return Optional.of(id(FakeEvent.parse(new String(body, UTF_8))));
  }

  WebhookWorker worker(int threads) {
    return WebhookWorker.builder(
            inbox,
            (tx, event) -> {
              Settlement settlement = shop.settle(tx, FakeEvent.parse(event.text()));
              tx.dsl().execute("insert into handled values (?, ?)", event.id(), settlement.name());
              return Handled.after(settlement);
            })
        .threads(threads)
        .idlePause(Duration.ofMillis(20), Duration.ofMillis(200))
        .build();
  }

  /** As over the wire, without one. */
  int deliver(FakeEvent event) {
    byte[] body = event.format().getBytes(UTF_8);
    Function<String, List<String>> headers =
        Map.of(SIGNATURES.header(), List.of(SIGNATURES.sign(body)))::get;
    return inbox
        .receive(name -> Optional.ofNullable(headers.apply(name)).orElse(List.of()), body)
        .status();
  }

  /** How many events came to which end. */
  static Map<String, Integer> handled(DSLContext dsl) {
    Map<String, Integer> counts = new TreeMap<>();
    dsl.fetch("select settlement, count(*) from handled group by settlement")
        .forEach(row -> counts.put(row.get(0, String.class), row.get(1, Integer.class)));
    return counts;
  }
}
