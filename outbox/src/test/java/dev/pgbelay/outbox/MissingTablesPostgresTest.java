package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.outbox.deadletter.DeadLetters;
import dev.pgbelay.outbox.held.HeldKeys;
import dev.pgbelay.outbox.inbox.Inbox;
import dev.pgbelay.outbox.replay.Published;
import dev.pgbelay.outbox.replay.Replay;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.outbox.testing.OutboxContents;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Whoever is first to meet a database without the tables says what to install. */
class MissingTablesPostgresTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  @Test
  void missingTables_areSaidToBeInstalled() {
    List<Consumer<Tx>> calls =
        List.of(
            tx -> Outbox.create().append(tx, NewMessage.text("t", "x")),
            tx -> Routes.create().add(tx, "t", "d"),
            tx -> Routes.create().remove(tx, "t", "d"),
            tx -> Routes.create().list(tx.dsl()),
            tx -> HeldKeys.create().list(tx.dsl(), "d", 1),
            tx -> HeldKeys.create().messages(tx.dsl(), "d", "k:a", 0, 1),
            tx -> HeldKeys.create().payload(tx.dsl(), "d", "k:a", 1),
            tx -> HeldKeys.create().resume(tx, "d", "k:a"),
            tx -> HeldKeys.create().skip(tx, "d", "k:a"),
            tx -> DeadLetters.create().list(tx.dsl(), "d", 1),
            tx -> DeadLetters.create().find(tx.dsl(), "d", 1),
            tx -> DeadLetters.create().payload(tx.dsl(), "d", 1),
            tx -> DeadLetters.create().redrive(tx, "d", 1),
            tx -> DeadLetters.create().redriveMany(tx, "d", 1),
            tx -> DeadLetters.create().delete(tx, "d", 1),
            tx -> Inbox.create().process(tx, "1", "c", same -> {}),
            tx -> OutboxContents.appendedIn(tx).messages());
    for (Consumer<Tx> call : calls) {
      assertThatThrownBy(() -> transactions.execute(call::accept))
          .hasMessageContaining("outbox")
          .hasMessageContaining("SchemaInstaller");
    }
    assertThatThrownBy(() -> Replay.of(transactions).replay(Published.to("d").withIds(1, 2)))
        .hasMessageContaining("SchemaInstaller");
  }
}
