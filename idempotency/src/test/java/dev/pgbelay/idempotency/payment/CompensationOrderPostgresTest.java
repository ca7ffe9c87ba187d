package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Several steps that are taken back. */
class CompensationOrderPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private static final StepKey<String> UNSHIPPED = StepKey.of("unship", Codec.text());

  /** A payment that does not record a result would otherwise never end. */
  private static final int MOST_CALLS = 8;

  private final List<String> called = Collections.synchronizedList(new ArrayList<>());

  private ProviderCall<String, String> noted(String what) {
    return (execution, key) -> {
      called.add(what);
      if (called.size() > MOST_CALLS) {
        throw new AssertionError("called for ever: " + called);
      }
      return ProviderReply.succeeded(what);
    };
  }

  @Test
  void stepsAreTakenBackOnceEach_theLastOneFirst() {
    try (Shop shop = new Shop(postgres.dataSource(), postgres.jdbcUrl(), new Bank())) {
      PaymentOperation<String, String> operation =
          shop.bare(Shop.freshName())
              .provider(Shop.CHARGED, noted("charge"), Shop.limits())
              .provider(Shop.SHIPPED, noted("ship"), Shop.limits())
              .database(
                  Shop.BOOKED,
                  (tx, execution) -> {
                    throw new StepRefusedException("closed");
                  })
              .compensate(Shop.CHARGED, Shop.REFUNDED, noted("refund"), Shop.limits())
              .compensate(Shop.SHIPPED, UNSHIPPED, noted("unship"), Shop.limits())
              .respond(
                  (tx, execution) ->
                      execution.result(UNSHIPPED) + " then " + execution.result(Shop.REFUNDED))
              .build();
      IdempotencyKey key = operation.key("acme", Shop.freshName());
      Answer<String> answer = operation.execute(key, "10 EUR");
      assertThat(called).containsExactly("charge", "ship", "unship", "refund");
      assertThat(answer).isEqualTo(Answer.executed("unship then refund"));
      assertThat(operation.execute(key, "10 EUR"))
          .as("the results of compensations are recorded")
          .isEqualTo(Answer.replayed("unship then refund"));
      assertThat(called).hasSize(4);
    }
  }
}
