package dev.pgbelay.examples.cards;

import dev.pgbelay.idempotency.payment.Execution;
import dev.pgbelay.idempotency.payment.ProviderCall;
import dev.pgbelay.idempotency.payment.ProviderReply;
import dev.pgbelay.idempotency.testing.FakeCharge;
import dev.pgbelay.idempotency.testing.FakeProviderClient;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.util.function.Function;
import java.util.function.ToLongFunction;

/**
 * Charges a card: what each answer of the provider means. The result is the provider's name of the
 * charge. Safe for several threads.
 *
 * @param cards the provider
 * @param reference our name for what is paid
 * @param cents how much
 */
public record CardCharge<Q>(
    FakeProviderClient cards, Function<Q, String> reference, ToLongFunction<Q> cents)
    implements ProviderCall<Q, String> {
  // tag::call[]
  @Override
  public ProviderReply<String> call(Execution<Q> execution, String providerKey)
      throws IOException, InterruptedException {
    Q asked = execution.request();
    HttpResponse<String> answer =
        cards.charge(providerKey, reference.apply(asked), cents.applyAsLong(asked), "EUR");
    return switch (answer.statusCode()) {
      case 201 -> ProviderReply.succeeded(FakeCharge.parse(answer.body()).id());
      case 402 -> ProviderReply.refused("declined");
      default -> ProviderReply.unknown("status " + answer.statusCode());
    };
  }

  @Override
  public ProviderReply<String> find(Execution<Q> execution, String providerKey)
      throws IOException, InterruptedException {
    return cards
        .byKey(providerKey)
        .map(
            charge ->
                charge.state() == FakeCharge.State.DECLINED
                    ? ProviderReply.<String>refused("declined")
                    : ProviderReply.succeeded(charge.id()))
        .orElseGet(ProviderReply::absent);
  }
  // end::call[]
}
