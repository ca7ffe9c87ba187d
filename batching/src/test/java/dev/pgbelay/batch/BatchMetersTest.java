package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.BatchSchema.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.ArrayList;
import java.util.List;
import org.jooq.exception.DataAccessException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class BatchMetersTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(3);

  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();

  @BeforeEach
  void createTable() {
    transactions.execute(tx -> tx.dsl().execute(BatchSchema.CREATE_ITEM));
  }

  @AfterEach
  void dropTable() {
    transactions.execute(tx -> tx.dsl().execute("drop table item cascade"));
  }

  private double counter(String meter, String... tags) {
    return meters.get(meter).tag("name", "stock").tags(tags).counter().count();
  }

  @Test
  void rowsCallsStatementsAndProbes_areCounted() {
    BatchWriter<Item> writer =
        items()
            .name("stock")
            .meterRegistry(meters)
            .partial()
            .duplicates(Duplicates.first())
            .build();
    List<Item> rows = new ArrayList<>(items(0, 64));
    rows.set(9, item(9).withQty(-1));
    rows.add(item(3));
    transactions.run(tx -> writer.upsert(tx, rows));

    assertThat(counter("pgbelay.batch.rows", "operation", "upsert", "outcome", "inserted"))
        .isEqualTo(63);
    assertThat(counter("pgbelay.batch.rows", "operation", "upsert", "outcome", "rejected"))
        .isEqualTo(1);
    assertThat(counter("pgbelay.batch.rows", "operation", "upsert", "outcome", "duplicate"))
        .isEqualTo(1);
    assertThat(counter("pgbelay.batch.probes", "operation", "upsert")).isBetween(6.0, 12.0);
    assertThat(counter("pgbelay.batch.statements", "path", "unnest")).isGreaterThan(6);
    assertThat(
            meters
                .get("pgbelay.batch.calls")
                .tags("operation", "upsert", "path", "unnest", "failure", "none")
                .timer()
                .count())
        .isEqualTo(1);
  }

  @Test
  void callOfOneChunk_isOneMessage() {
    BatchWriter<Item> writer = items().name("stock").meterRegistry(meters).build();
    transactions.run(tx -> writer.insert(tx, items(0, 100)));
    assertThat(counter("pgbelay.batch.statements", "operation", "insert")).isEqualTo(1);
    transactions.run(tx -> writer.upsert(tx, items(0, 100)));
    assertThat(counter("pgbelay.batch.statements", "operation", "upsert")).isEqualTo(1);
  }

  @Test
  void copyAndStage_takeTheirSavepointsAlong() {
    BatchWriter<Item> copy =
        items().name("stock").meterRegistry(meters).path(WritePlan.Path.COPY).build();
    transactions.run(tx -> copy.insert(tx, items(0, 100)));
    // The savepoint, COPY, and the release.
    assertThat(counter("pgbelay.batch.statements", "path", "copy")).isEqualTo(3);
    BatchWriter<Item> stage =
        items().name("stock").meterRegistry(meters).path(WritePlan.Path.STAGED).build();
    transactions.run(tx -> stage.upsert(tx, items(0, 100)));
    // The savepoint with the stage, COPY, the upsert, and the end of both.
    assertThat(counter("pgbelay.batch.statements", "path", "staged")).isEqualTo(4);
  }

  @Test
  void countedRows_areCountedAsSuch() {
    BatchWriter<Item> writer = items().name("stock").meterRegistry(meters).countsOnly().build();
    BatchResult result = transactions.run(tx -> writer.upsert(tx, items(0, 10)));
    assertThat(result.written()).isEqualTo(10);
    assertThatThrownBy(() -> result.outcome(0))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("countsOnly");
    assertThat(counter("pgbelay.batch.rows", "operation", "upsert", "outcome", "counted"))
        .isEqualTo(10);
  }

  @Test
  void collisionsAndFailures_areCountedByKind() {
    transactions.execute(
        tx ->
            tx.dsl()
                .execute(
                    "create function collide() returns trigger language plpgsql as $$ begin"
                        + " raise exception 'as if' using errcode = '40P01'; end $$;"
                        + " create trigger colliding before insert on item for each row"
                        + " execute function collide()"));
    BatchWriter<Item> writer = items().name("stock").meterRegistry(meters).build();
    transactions.execute(
        tx ->
            assertThatThrownBy(() -> writer.insert(tx, items(0, 3)))
                .isInstanceOf(DataAccessException.class));
    assertThat(counter("pgbelay.batch.collisions", "operation", "insert", "kind", "deadlock"))
        .isEqualTo(1);
    assertThat(
            meters
                .get("pgbelay.batch.calls")
                .tags("operation", "insert", "failure", "deadlock")
                .timer()
                .count())
        .isEqualTo(1);
    transactions.execute(tx -> tx.dsl().execute("drop function collide() cascade"));
  }
}
