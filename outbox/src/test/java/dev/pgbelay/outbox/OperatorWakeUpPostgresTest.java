package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.TxWork;
import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.outbox.deadletter.DeadLetters;
import dev.pgbelay.outbox.held.HeldKeys;
import dev.pgbelay.outbox.replay.Published;
import dev.pgbelay.outbox.replay.Replay;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Who is told of what an operator does, and when; a relay that polls would hide it. */
class OperatorWakeUpPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());
  private final List<String> told = new CopyOnWriteArrayList<>();
  private final CommitListener relay =
      new CommitListener() {
        @Override
        public void committed(Set<Integer> appended) {}

        @Override
        public void woken(String destination) {
          told.add(destination);
        }
      };

  /** Told once, after the commit, and not of what was rolled back. */
  private void assertTold(TxWork.Action<RuntimeException> work) {
    told.clear();
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      work.run(tx);
                      throw new IllegalStateException("back");
                    }))
        .hasMessageContaining("back");
    assertThat(told).isEmpty();
    fixture.transactions.execute(
        tx -> {
          work.run(tx);
          assertThat(told).isEmpty();
        });
    assertThat(told).containsExactly(fixture.destination);
  }

  private void dead(int letters) {
    for (int i = 0; i < letters; i++) {
      fixture.append(fixture.message("k", "p" + i));
    }
    fixture.buryAll();
  }

  @Test
  void redrive_isTold() {
    fixture.outbox.attach(relay);
    DeadLetters letters = DeadLetters.create().waking(fixture.outbox);
    dead(1);
    long id = letters.list(fixture.dsl, fixture.destination, 1).get(0).id();
    assertTold(tx -> letters.redrive(tx, fixture.destination, id));
    told.clear();
    fixture.transactions.execute(tx -> letters.redrive(tx, fixture.destination, id));
    assertThat(told).as("nothing was redriven").isEmpty();
  }

  @Test
  void redriveOfMany_isTold() {
    fixture.outbox.attach(relay);
    DeadLetters letters = DeadLetters.create().waking(fixture.outbox);
    dead(3);
    assertTold(tx -> letters.redriveMany(tx, fixture.destination, 10));
  }

  @Test
  void resumeAndSkip_areTold() {
    fixture.outbox.attach(relay);
    HeldKeys keys = HeldKeys.create().waking(fixture.outbox);
    fixture.append(fixture.message("k", "1"));
    fixture.append(fixture.message("k", "2"));
    fixture.holdAll(true);
    assertTold(tx -> keys.skip(tx, fixture.destination, "k:k"));
    assertTold(tx -> keys.resume(tx, fixture.destination, "k:k"));
    told.clear();
    fixture.transactions.execute(tx -> keys.resume(tx, fixture.destination, "k:nobody"));
    assertThat(told).isEmpty();
  }

  @Test
  void replay_isToldHereAndToOtherProcesses() {
    List<String> heard = new CopyOnWriteArrayList<>();
    try (HikariDataSource pool = RelayFixture.pool(postgres.jdbcUrl(), 2);
        WakeUps wakeUps = WakeUps.builder(pool).channel(fixture.destination).build()) {
      wakeUps.start();
      RelayFixture.await(wakeUps::isHealthy);
      wakeUps.addListener(heard::add);
      Outbox outbox = Outbox.builder().announcedBy(wakeUps).build();
      outbox.attach(relay);
      fixture.append(fixture.message("k", "1"));
      fixture.publishAll();
      Replay replay = Replay.of(fixture.transactions).waking(outbox);
      Published all = Published.to(fixture.destination).withIds(0, Long.MAX_VALUE);
      assertThat(replay.replay(all)).isEqualTo(1);
      assertThat(told).containsExactly(fixture.destination);
      RelayFixture.await(() -> heard.contains(CommitAlarm.wakeTopic(fixture.destination)));
      told.clear();
      assertThat(replay.replay(all.ofKey("nobody"))).isZero();
      assertThat(told).isEmpty();
    }
  }
}
