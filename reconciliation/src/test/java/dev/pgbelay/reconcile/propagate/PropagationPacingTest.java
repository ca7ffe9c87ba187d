package dev.pgbelay.reconcile.propagate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.batch.chunk.ThrottleSignal;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.jooq.DSLContext;
import org.jooq.Table;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** How long a worker rests after a chunk, by a clock that the test moves. */
class PropagationPacingTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final Declarations declarations =
      Declarations.of("1", ShopFixture.orderCustomer().onDelete(OnDelete.cascade()).build());
  private final List<Long> rests = new ArrayList<>();

  private Propagation.Builder captured(int orders) {
    shop.customers(orders);
    shop.dsl.execute("update orders set customer_id = 1");
    DeleteCapture.of(shop.transactions, declarations).install();
    shop.dsl.execute("delete from customers where id = 1");
    return Propagation.builder(shop.transactions, declarations).chunk(3);
  }

  @AfterEach
  void uncapture() {
    DeleteCapture.of(shop.transactions, declarations).uninstall();
  }

  /** Goes on by so much whenever it is looked at. */
  private PropagationPacing.Sleeper clock(AtomicLong now, Duration step) {
    return new PropagationPacing.Sleeper() {
      @Override
      public void sleep(long nanos) {
        rests.add(nanos);
      }

      @Override
      public long nanoTime() {
        return now.addAndGet(step.toNanos());
      }
    };
  }

  @Test
  void chunks_areTreatedAtTheirRate_andNotWhileASignalSaysToWait() {
    AtomicBoolean busy = new AtomicBoolean(true);
    Propagation worker =
        captured(9)
            .rowsPerSecond(1)
            .dutyPercent(100)
            .pause(Duration.ofMillis(700))
            .sleeper(rests::add)
            .throttle(List.of(signal(busy)))
            .build();
    assertThat(worker.runOnce().work()).isZero();
    assertThat(rests).isEmpty();
    busy.set(false);
    Drain.within(1_000, worker);
    assertThat(rests).hasSize(5);
    // Three rows at one a second, less what the chunk took; then the pause alone for what had none.
    assertThat(rests)
        .allSatisfy(nanos -> assertThat(nanos).isBetween(700_000_000L, 3_000_000_000L));
    PropagationPacing pacing = new PropagationPacing(100, Duration.ZERO, 20, rests::add);
    assertThat(pacing.rest(50, 100_000_000)).as("their rate").isEqualTo(400_000_000);
    assertThat(pacing.rest(50, 200_000_000)).as("a fifth of the time").isEqualTo(800_000_000);
    assertThat(pacing.rest(50, 10_000_000_000L)).as("at most").isEqualTo(5_000_000_000L);
    assertThat(shop.count("select count(*) from orders")).isZero();
  }

  private static ThrottleSignal signal(AtomicBoolean busy) {
    return new ThrottleSignal() {
      @Override
      public String name() {
        return "test";
      }

      @Override
      public Optional<String> reasonToWait(DSLContext dsl, Table<?> table) {
        return busy.get() ? Optional.of("busy") : Optional.empty();
      }
    };
  }

  @Test
  void worker_worksAQuarterOfTheTimeUnlessSaid() {
    Drain.within(
        1_000, captured(3).sleeper(clock(new AtomicLong(), Duration.ofSeconds(1))).build());
    assertThat(rests).hasSize(3).containsOnly(TimeUnit.SECONDS.toNanos(3));
    rests.clear();
    shop.dsl.execute("insert into orders values (1, 1)");
    shop.dsl.execute("insert into customers values (1, 'again')");
    shop.dsl.execute("delete from customers where id = 1");
    Drain.within(
        1_000,
        Propagation.builder(shop.transactions, declarations)
            .dutyPercent(50)
            .sleeper(clock(new AtomicLong(), Duration.ofSeconds(1)))
            .build());
    assertThat(rests).hasSize(3).containsOnly(TimeUnit.SECONDS.toNanos(1));
  }

  @Test
  void timeThatItWaitedForALock_isNoWork() throws Exception {
    AtomicLong now = new AtomicLong();
    captured(1);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      Interleaving.Session deleter = script.session("worker");
      holder.run(
          c -> {
            try (java.sql.Statement statement = c.createStatement()) {
              statement.execute("select from orders where id = 1 for update");
            }
          });
      Interleaving.Step<Boolean> draining =
          deleter.startOwn(
              "drain",
              () -> {
                Drain.within(
                    1_000,
                    Propagation.builder(Transactions.of(deleter.dataSource()), declarations)
                        .sleeper(clock(now, Duration.ZERO))
                        .lockTimeout(Duration.ofMinutes(1))
                        .chunkTimeout(Duration.ofMinutes(2))
                        .build());
                return true;
              });
      draining.awaitBlockedBy(holder);
      now.addAndGet(TimeUnit.MINUTES.toNanos(1));
      holder.commit();
      assertThat(draining.get()).isTrue();
    }
    assertThat(shop.count("select count(*) from orders")).isZero();
    assertThat(rests).isEmpty();
  }
}
