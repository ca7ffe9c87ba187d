package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Whether a transaction's end asks where the commit is in the log: only for those who look. */
class PositionAskedForTest {
  private static final List<String> SENT = new CopyOnWriteArrayList<>();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withObserver(
              new StatementObserver() {
                @Override
                public void executed(StatementEvent event) {
                  SENT.add(event.sql());
                }

                @Override
                public void ended(TransactionEvent event) {}
              });

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  @BeforeEach
  void warmUp() {
    transactions.execute(tx -> tx.dsl().fetch("select 1"));
    SENT.clear();
  }

  private static List<String> asked() {
    return SENT.stream().filter(sql -> sql.contains("lsn(")).toList();
  }

  @Test
  void runForItsValueAlone_doesNotAsk() {
    transactions.execute(tx -> tx.dsl().fetch("select 1"));
    assertThat(transactions.<Integer, RuntimeException>run(tx -> 1)).isEqualTo(1);
    assertThat(SENT).isNotEmpty();
    assertThat(asked()).isEmpty();
  }

  @Test
  void commitAndHooks_doAsk() {
    transactions.commit(TxOptions.defaults(), tx -> tx.dsl().fetch("select 1"));
    assertThat(asked()).hasSize(1);
    transactions.execute(
        tx -> {
          tx.dsl().fetch("select 1");
          tx.afterCommit(commit -> {});
        });
    assertThat(asked()).hasSize(2);
  }
}
