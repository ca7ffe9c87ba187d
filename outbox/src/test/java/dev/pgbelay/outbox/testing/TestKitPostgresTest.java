package dev.pgbelay.outbox.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.Tx;
import dev.pgbelay.outbox.NewMessage;
import dev.pgbelay.outbox.OutboxFixture;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.PostgresExtension;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a service's test sees of its appends. */
class TestKitPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());

  private NewMessage full() {
    return fixture.message("k", "secret").withType("t").withHeader("a", "b");
  }

  @Test
  void exactlyTheMessagesOfTheTransaction_pass() {
    fixture.append(fixture.message("of another transaction"));
    fixture.transactions.execute(
        tx -> {
          OutboxContents contents = OutboxContents.appendedIn(tx);
          contents.assertNone();
          fixture.outbox.append(tx, full());
          tx.dsl()
              .transaction(
                  nested ->
                      fixture.outbox.append(
                          Tx.join(nested.dsl()), fixture.message("under a savepoint")));
          assertThatThrownBy(
                  () ->
                      tx.dsl()
                          .transaction(
                              nested -> {
                                fixture.outbox.append(
                                    Tx.join(nested.dsl()), fixture.message("gone"));
                                throw new IllegalStateException("back");
                              }))
              .hasMessageContaining("back");
          fixture.outbox.append(tx, fixture.message("last").withMessageId("m " + fixture.topic));
          contents.assertExactly(
              full(),
              fixture.message("under a savepoint"),
              fixture.message("last").withMessageId("m " + fixture.topic));
        });
    assertThat(OutboxContents.of(fixture.dsl).ofTopic(fixture.topic))
        .extracting(AppendedMessage::text)
        .containsExactly("of another transaction", "secret", "under a savepoint", "last");
  }

  @Test
  void whatDiffers_isNamedWithoutPayload() {
    fixture.transactions.execute(
        tx -> {
          OutboxContents contents = OutboxContents.appendedIn(tx);
          fixture.outbox.append(tx, full());
          assertThatThrownBy(() -> contents.assertNone())
              .isInstanceOf(AssertionError.class)
              .hasMessageContaining("expected 0 messages, but there are 1")
              .hasMessageContaining("key k")
              .hasMessageNotContaining("secret");
          assertThatThrownBy(
                  () -> contents.assertExactly(fixture.message("j", "public").withType("t")))
              .hasMessageContaining("message 1 differs in key, headers, payload")
              .hasMessageNotContaining("secret");
          assertThatThrownBy(() -> contents.assertExactly(full().withMessageId("x")))
              .hasMessageContaining("differs in message id");
          assertThatThrownBy(() -> contents.assertExactly(full(), full()))
              .hasMessageContaining("expected 2 messages, but there are 1");
          assertThatCode(() -> contents.assertExactly(full())).doesNotThrowAnyException();
        });
  }

  @Test
  void messageOfTwoDestinations_isOne() {
    fixture.transactions.execute(
        tx -> Routes.create().add(tx, fixture.topic, fixture.destination + "-too"));
    fixture.transactions.execute(
        tx -> {
          fixture.outbox.append(tx, full());
          OutboxContents.appendedIn(tx).assertExactly(full());
          assertThat(OutboxContents.appendedIn(tx).messages().get(0).destinations())
              .containsExactlyInAnyOrder(fixture.destination, fixture.destination + "-too");
        });
  }
}
