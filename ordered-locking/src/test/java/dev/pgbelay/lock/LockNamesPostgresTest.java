package dev.pgbelay.lock;

import static dev.pgbelay.lock.LockFixture.REPORTS;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jooq.DSLContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Names as locks. */
class LockNamesPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(LockFixture.SCHEMA);

  private final DSLContext dsl = LockFixture.dsl(postgres.dataSource());
  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
  private final LockOrder order = LockFixture.order().meterRegistry(meters).build();

  @Test
  void keys_areOf64BitsWithTheClassApart() {
    LockClass other = LockClass.names("other");
    Set<Long> hashes = new HashSet<>();
    Set<Long> classes = new HashSet<>();
    for (int i = 0; i < 100_000; i++) {
      long key = LockName.key("reports", "n" + i);
      hashes.add(key);
      classes.add(key >>> 48);
    }
    assertThat(hashes).as("a 32-bit hash would have collided about once here").hasSize(100_000);
    assertThat(classes).containsExactly(LockName.number("reports"));
    assertThat(REPORTS.name("same").values()).isNotEqualTo(other.name("same").values());
    // What other versions and processes compute.
    assertThat(LockName.key("reports", "nightly")).isEqualTo(LockName.key("reports", "nightly"));
  }

  @Test
  void names_areLockedInTheOrderOfTheirKeys() throws Exception {
    List<Resource> names = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      names.add(REPORTS.name("n" + i));
    }
    List<Resource> sorted = new ArrayList<>(names);
    sorted.sort(Comparator.comparingLong(name -> (Long) name.values().get(0)));
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      for (int stop : List.of(0, 7, 19)) {
        Interleaving.Session holder = script.session("holder" + stop);
        Interleaving.Session acquirer = script.session("acquirer" + stop);
        holder.run(c -> order.acquire(Tx.join(c), sorted.get(stop)));
        var waiting = acquirer.start("acquire", c -> order.acquire(Tx.join(c), names));
        waiting.awaitBlockedBy(holder);
        Acquired free =
            transactions.run(tx -> order.acquire(tx, LockOptions.defaults().skipLocked(), names));
        assertThat(free.locked()).containsExactlyInAnyOrderElementsOf(sorted.subList(stop + 1, 20));
        holder.rollback();
        waiting.get();
        acquirer.rollback();
      }
    }
  }

  @Test
  void twoNamesWithOneKey_areNoticedByWhatIsKept() {
    Resource name = REPORTS.name("collides");
    dsl.execute("delete from pgbelay.lock_name");
    dsl.execute(
        "insert into pgbelay.lock_name (key, class, name) values (?, 'reports', 'was here first')",
        name.values().get(0));
    Acquired acquired = transactions.run(tx -> order.acquire(tx, name, REPORTS.name("alone")));
    assertThat(acquired.locked()).hasSize(2);
    assertThat(meters.get("pgbelay.lock.names.shared").tag("class", "reports").counter().count())
        .isEqualTo(1);
  }

  @Test
  void nameKeptByWhoHeldItBefore_isReadAfterTheWait() throws Exception {
    Resource name = REPORTS.name("contested");
    dsl.execute("delete from pgbelay.lock_name");
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session holder = script.session("holder");
      Interleaving.Session waiter = script.session("waiter");
      holder.run(
          c -> {
            Tx tx = Tx.join(c);
            order.acquire(tx, name);
            tx.dsl().execute("update pgbelay.lock_name set name = 'another of that key'");
          });
      var waiting = waiter.start("acquire", c -> order.acquire(Tx.join(c), name));
      waiting.awaitBlockedBy(holder);
      holder.commit();
      waiting.get();
      waiter.rollback();
    }
    assertThat(meters.get("pgbelay.lock.names.shared").counter().count()).isEqualTo(1);
  }

  @Test
  void namesLongUnused_areForgottenAndKeptAgain() {
    transactions.execute(tx -> order.acquire(tx, REPORTS.name("old")));
    int forgotten = transactions.run(tx -> order.forgetNames(tx, Duration.ZERO));
    assertThat(forgotten).isPositive();
    transactions.execute(tx -> order.acquire(tx, REPORTS.name("old")));
    assertThat(
            transactions.<Integer, RuntimeException>run(
                tx -> order.forgetNames(tx, Duration.ofHours(1))))
        .isZero();
  }

  @Test
  void locks_endWithTheTransaction() {
    transactions.execute(tx -> order.acquire(tx, REPORTS.name("brief")));
    assertThat(
            dsl.fetchCount(
                org.jooq.impl.DSL.table("pg_locks"),
                org.jooq.impl.DSL.condition("locktype = 'advisory'")))
        .isZero();
  }
}
