package dev.pgbelay.idempotency.payment;

import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.testing.FakeCharge;
import dev.pgbelay.idempotency.testing.FakeCharge.State;
import dev.pgbelay.idempotency.testing.FakeProviderClient;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;

/** The calls of the storm's payments, over sockets, for one regime. */
final class StormBank {
  static final String CHARGE = "charge";
  static final String COURIER = "courier";
  private static final double QUERY_FAILS = 0.1;

  private final StormRegime regime;
  private final FakeProviderClient client;

  StormBank(StormRegime regime, FakeProviderClient client) {
    this.regime = regime;
    this.client = client;
  }

  /** By which the provider's charges are told apart, whatever keys it was sent. */
  static String reference(StormRegime regime, String key, String what) {
    return regime + "/" + key + "/" + what;
  }

  static String reference(IdempotencyKey key, String what) {
    return reference(StormRegime.of(key.operation()), key.key(), what);
  }

  static long amount(String what) {
    return what.equals(CHARGE) ? 1_000 : 250;
  }

  HttpResponse<String> send(String providerKey, String reference, String what)
      throws IOException, InterruptedException {
    return client.charge(providerKey, reference, amount(what), "eur");
  }

  ProviderCall<String, String> take(String what) {
    return ProviderCall.of(
        (execution, providerKey) ->
            reply(send(providerKey, reference(execution.key(), what), what)),
        (execution, providerKey) -> found(providerKey));
  }

  ProviderCall<String, String> refund() {
    return ProviderCall.of(
        (execution, providerKey) -> {
          HttpResponse<String> answer =
              client.refund(providerKey, execution.result(StormShop.CHARGED));
          return answer.statusCode() == 201
              ? ProviderReply.succeeded(FakeCharge.parse(answer.body()).id())
              : ProviderReply.unknown("status " + answer.statusCode());
        },
        (execution, providerKey) -> {
          requireQuery();
          return client
              .byKey(execution.providerKey(StormShop.CHARGED))
              .filter(charge -> charge.state() == State.REFUNDED)
              .map(charge -> ProviderReply.succeeded(charge.id()))
              .orElseGet(ProviderReply::absent);
        });
  }

  private static ProviderReply<String> reply(HttpResponse<String> answer) {
    return switch (answer.statusCode()) {
      case 201 -> ProviderReply.succeeded(FakeCharge.parse(answer.body()).id());
      case 402 -> ProviderReply.refused("declined");
      default -> ProviderReply.unknown("status " + answer.statusCode());
    };
  }

  private ProviderReply<String> found(String providerKey) throws IOException, InterruptedException {
    requireQuery();
    Optional<FakeCharge> charge = client.byKey(providerKey);
    return charge.isEmpty() ? ProviderReply.absent() : told(charge.get());
  }

  /** What a charge says about the step that asked for it. */
  static ProviderReply<String> told(FakeCharge charge) {
    return charge.state() == State.DECLINED
        ? ProviderReply.refused("declined")
        : ProviderReply.succeeded(charge.id());
  }

  private void requireQuery() throws IOException {
    if (!regime.hasStatusQuery || ThreadLocalRandom.current().nextDouble() < QUERY_FAILS) {
      throw new IOException("the status query does not answer");
    }
  }
}
