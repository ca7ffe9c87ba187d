package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.item;
import static dev.pgbelay.batch.CoalescerFixture.assertRefused;
import static dev.pgbelay.batch.CoalescerFixture.told;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.batch.BatchException.Reason;
import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** COMMIT refuses a flush and names no row. */
class CoalescerDeferredConstraintTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(3);

  @RegisterExtension final CoalescerFixture table = new CoalescerFixture(postgres);

  private WriteCoalescer<Item> coalescer(int flushRows) {
    return table.coalescer("deferred").flushRows(flushRows).linger(Duration.ofMinutes(1)).build();
  }

  @Test
  void rowThatADeferredConstraintRefuses_failsItsOwnFutureOnly() throws Exception {
    table.sql(
        "alter table item add constraint one_name unique (name) deferrable initially deferred");
    List<CompletableFuture<Outcome>> futures = new ArrayList<>();
    try (WriteCoalescer<Item> coalescer = coalescer(100)) {
      for (int id = 1; id <= 100; id++) {
        futures.add(
            coalescer.submit(
                id == 50 || id == 100 ? new Item(id, "item 1", 1, null, item(id).at()) : item(id)));
      }
      for (int id = 1; id <= 100; id++) {
        CompletableFuture<Outcome> future = futures.get(id - 1);
        if (id == 50 || id == 100) {
          assertRefused(
              future,
              Reason.ROW_REFUSED,
              e -> {
                assertThat(e.rejection().orElseThrow().constraint()).contains("one_name");
                assertThat(e.rejection().orElseThrow().sqlState()).isEqualTo("23505");
              });
        } else {
          assertThat(told(future)).as("row %d", id).isEqualTo(Outcome.INSERTED);
        }
      }
    }
    assertThat(table.count()).isEqualTo(98);
  }

  @Test
  void constraintTriggerThatRaises_failsItsRowOnly() throws Exception {
    table.sql(
        "create function no_seven() returns trigger language plpgsql as $$ begin"
            + " if new.id = 7 then raise exception 'no'; end if;"
            + " return null; end $$;"
            + "create constraint trigger no_seven after insert on item deferrable initially"
            + " deferred for each row execute function no_seven()");
    try (WriteCoalescer<Item> coalescer = coalescer(3)) {
      CompletableFuture<Outcome> six = coalescer.submit(item(6));
      CompletableFuture<Outcome> seven = coalescer.submit(item(7));
      CompletableFuture<Outcome> eight = coalescer.submit(item(8));
      assertThat(told(six)).isEqualTo(Outcome.INSERTED);
      assertRefused(
          seven,
          Reason.ROW_REFUSED,
          e -> assertThat(e.rejection().orElseThrow().sqlState()).isEqualTo("P0001"));
      assertThat(told(eight)).isEqualTo(Outcome.INSERTED);
    } finally {
      table.sql("drop function no_seven() cascade");
    }
  }
}
