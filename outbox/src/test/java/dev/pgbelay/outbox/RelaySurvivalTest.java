package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresCluster;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * What a relay bears that its server does not: it goes on by itself, loses nothing that the server
 * has, and keeps the order of each key.
 */
class RelaySurvivalTest {
  private static final RetryPauses SHORT =
      RetryPauses.exponential(Duration.ofMillis(10), Duration.ofMillis(50));

  /** Calls of the publisher after which something happens, once. */
  private static Collected.Answer after(int calls, Runnable happens) {
    AtomicInteger count = new AtomicInteger();
    return message -> {
      if (count.incrementAndGet() == calls) {
        happens.run();
      }
      return Delivery.delivered();
    };
  }

  @Test
  void serverThatIsRestarted_andOneThatCrashes_areOutlived() throws Exception {
    try (RelaySite site = new RelaySite(PostgresCluster.builder())) {
      CountDownLatch stopped = new CountDownLatch(2);
      AtomicInteger count = new AtomicInteger();
      site.collected.answering(
          message -> {
            int now = count.incrementAndGet();
            if (now == 300) {
              site.cluster.primary().stop();
              stopped.countDown();
            } else if (now == 900) {
              site.cluster.primary().crash();
              stopped.countDown();
            }
            return Delivery.delivered();
          });
      site.append(0, 600);
      site.start();
      RelayFixture.await(() -> stopped.getCount() == 1);
      RelayFixture.await(() -> site.failedPasses() >= 3);
      site.cluster.primary().restart();
      site.append(600, 1_200);
      assertThat(stopped.await(60, TimeUnit.SECONDS)).isTrue();
      long before = site.failedPasses();
      RelayFixture.await(() -> site.failedPasses() >= before + 3);
      site.cluster.primary().restart();
      site.append(1_200, 1_500);
      RelayFixture.await(site::isEmpty);
      site.assertComplete(1_500);
    }
  }

  /**
   * The promoted server has neither the last acknowledgements nor the last appends. What it has is
   * delivered; the relay goes on under another identity, since the old one's is on a log that is no
   * more.
   */
  @Test
  void failOverThatLosesTheTail_losesNothingThatTheNewPrimaryHas() throws Exception {
    try (RelaySite site =
        new RelaySite(PostgresCluster.builder().replicas(1).replicasThroughProxy(), 6, "")) {
      AtomicBoolean promoted = new AtomicBoolean();
      Set<String> before = new LinkedHashSet<>();
      CountDownLatch go = new CountDownLatch(1);
      site.collected.answering(
          message -> {
            go.await();
            if (!promoted.get()) {
              synchronized (before) {
                before.add(message.claim());
              }
            }
            return Delivery.delivered();
          });
      site.append(0, 400);
      site.start();
      RelayFixture.await(
          () ->
              site.count("select count(*) from pgbelay.outbox_lane where claimant is not null")
                  == 32);
      site.cluster.replica().awaitCaughtUp();
      site.cluster.replica().upstreamProxy().orElseThrow().freeze();
      go.countDown();
      // On the old primary they are acknowledged, and messages are appended that nobody will have.
      RelayFixture.await(() -> site.count("select count(*) from pgbelay.outbox_message") < 200);
      site.sql(
          "insert into pgbelay.outbox_message (destination, lane, message_id, topic, payload)"
              + " select id, 0, 'lost' || n, 't', '' from pgbelay.outbox_destination,"
              + " generate_series(1, 50) n");
      RelayFixture.await(
          () -> site.collected.all().stream().anyMatch(one -> one.messageId().equals("lost50")));
      site.cluster.primary().crash();
      site.cluster.replica().promote();
      promoted.set(true);
      RelayFixture.await(() -> !site.cluster.replica().isReplica());
      // Ids of what was lost are given again.
      site.append(400, 600);
      RelayFixture.await(site::isEmpty);
      Set<String> ids =
          site.collected.all().stream()
              .map(Message::messageId)
              .filter(id -> id.startsWith("m"))
              .collect(Collectors.toSet());
      assertThat(ids).hasSize(600);
      Map<String, List<Integer>> firsts =
          site.collected.firsts(message -> Integer.valueOf(message.messageId().substring(1)));
      assertThat(firsts).hasSize(RelaySite.KEYS);
      firsts.forEach((key, numbers) -> assertThat(numbers).as(key).isSorted());
      Message last = site.collected.all().get(site.collected.count() - 1);
      synchronized (before) {
        assertThat(before).isNotEmpty();
        assertThat(before.stream().map(RelaySurvivalTest::claimant))
            .as("the claimant of what is delivered in the end is another one")
            .doesNotContain(claimant(last.claim()));
      }
      assertThat(sequences(site, "lost"))
          .as("ids that were given twice")
          .containsAnyElementsOf(sequences(site, "m"));
      assertThat(site.collected.count())
          .as("what the new primary did not know to be delivered is delivered again")
          .isGreaterThan(650);
      assertThat(site.meters.get("pgbelay.outbox.relay.lost").counter().count()).isPositive();
      assertThat(
              site.count(
                  "select count(distinct claimant) from pgbelay.outbox_lane"
                      + " where claimant is not null"))
          .isEqualTo(1);
    }
  }

  private static String claimant(String claim) {
    return claim.substring(0, claim.indexOf('/'));
  }

  private static Set<Long> sequences(RelaySite site, String ofMessages) {
    return site.collected.all().stream()
        .filter(message -> message.messageId().startsWith(ofMessages))
        .map(Message::sequence)
        .collect(Collectors.toSet());
  }

  /** As between a switch-over's two servers, or with a full disk. */
  @Test
  void timeInWhichNothingCanBeWritten_isOutlived() throws Exception {
    try (RelaySite site = new RelaySite(PostgresCluster.builder())) {
      Collected.Answer readOnly =
          after(100, () -> site.cluster.primary().configure("default_transaction_read_only", "on"));
      site.collected.answering(
          message -> {
            Delivery delivered = readOnly.to(message);
            boolean fails = message.attempt() == 1 && message.sequence() % 20 == 0;
            return fails ? Delivery.failed("the first time") : delivered;
          });
      site.append(0, 1_000);
      site.start(Destination.of("d", site.collected).withConcurrency(3).withRetries(50, SHORT));
      RelayFixture.await(() -> site.failedPasses() >= 5);
      int delivered = site.collected.count();
      site.cluster.primary().configure("default_transaction_read_only", "off");
      RelayFixture.await(site::isEmpty);
      site.assertComplete(1_000);
      assertThat(delivered).isPositive();
    }
  }

  /** Heartbeats have a connection of their own: the relay stays alive while it can do nothing. */
  @Test
  void poolThatIsExhaustedPastTheLease_isOutlivedWithoutLosingLanes() throws Exception {
    try (RelaySite site = new RelaySite(PostgresCluster.builder(), 2, "")) {
      CountDownLatch exhausted = new CountDownLatch(1);
      List<Connection> taken = new ArrayList<>();
      site.collected.answering(
          after(
              100,
              () -> {
                while (taken.size() < 2) {
                  try {
                    taken.add(site.pool.getConnection());
                  } catch (SQLException busy) {
                    Thread.onSpinWait();
                  }
                }
                exhausted.countDown();
              }));
      site.append(0, 600);
      site.start();
      assertThat(exhausted.await(60, TimeUnit.SECONDS)).isTrue();
      String relay = "select count(*) from pgbelay.outbox_relay where expires_at > now()";
      long until = System.nanoTime() + RelaySite.LEASE.multipliedBy(2).toNanos();
      while (System.nanoTime() < until) {
        assertThat(site.count(relay)).as("alive for two leases").isEqualTo(1);
        Thread.sleep(200);
      }
      assertThat(site.failedPasses()).isPositive();
      for (Connection one : taken) {
        one.close();
      }
      RelayFixture.await(site::isEmpty);
      site.assertComplete(600);
      assertThat(site.collected.count()).as("nothing twice").isEqualTo(600);
      assertThat(site.meters.get("pgbelay.outbox.relay.lost").counter().count()).isZero();
    }
  }

  @Test
  void statementsThatRunIntoTheirTimeout_areTriedAgain() throws Exception {
    try (RelaySite site =
            new RelaySite(PostgresCluster.builder(), 6, "&options=-c%20statement_timeout=200");
        Connection lock = site.connect();
        Statement statement = lock.createStatement()) {
      CountDownLatch locked = new CountDownLatch(1);
      site.collected.answering(
          after(
              100,
              () -> {
                try {
                  lock.setAutoCommit(false);
                  statement.execute("lock table pgbelay.outbox_message in exclusive mode");
                  locked.countDown();
                } catch (SQLException e) {
                  throw new IllegalStateException(e);
                }
              }));
      site.append(0, 600);
      site.start();
      assertThat(locked.await(60, TimeUnit.SECONDS)).isTrue();
      RelayFixture.await(() -> site.failedPasses() >= 3);
      lock.rollback();
      RelayFixture.await(site::isEmpty);
      site.assertComplete(600);
      assertThat(site.collected.count()).as("nothing twice").isEqualTo(600);
    }
  }

  /** One after the other, in the middle of a statement of that loop. */
  @Test
  void sessionOfEachLoopThatIsKilled_isReplaced() throws Exception {
    try (RelaySite site = new RelaySite(PostgresCluster.builder())) {
      AtomicReference<CountDownLatch> gate = new AtomicReference<>(new CountDownLatch(1));
      CountDownLatch[] called = {new CountDownLatch(1)};
      site.collected.answering(
          message -> {
            called[0].countDown();
            Objects.requireNonNull(gate.get()).await();
            return message.attempt() == 1 && message.sequence() % 5 == 0
                ? Delivery.failed("the first time")
                : Delivery.delivered();
          });
      site.start(Destination.of("d", site.collected).withRetries(50, SHORT));
      int appended = 0;
      for (String table :
          List.of("outbox_relay", "outbox_lane", "outbox_message", "outbox_held_key")) {
        called[0] = new CountDownLatch(1);
        gate.set(new CountDownLatch(1));
        site.append(appended, appended + 200);
        appended += 200;
        assertThat(called[0].await(60, TimeUnit.SECONDS)).as(table).isTrue();
        // Whoever comes to the table waits there, and is killed as it waits.
        try (Connection lock = site.connect();
            Statement statement = lock.createStatement()) {
          lock.setAutoCommit(false);
          statement.execute("lock table pgbelay." + table + " in access exclusive mode");
          Objects.requireNonNull(gate.get()).countDown();
          for (int round = 0; round < 3; round++) {
            RelayFixture.await(() -> waiting(statement) > 0);
            statement.execute(
                "select pg_terminate_backend(pid) from (select distinct pid from pg_locks"
                    + " where not granted) as waiting");
          }
          lock.rollback();
        }
        RelayFixture.await(site::isEmpty);
      }
      site.assertComplete(appended);
    }
  }

  private static int waiting(Statement statement) throws SQLException {
    try (ResultSet row =
        statement.executeQuery("select count(*) from pg_locks where not granted")) {
      row.next();
      return row.getInt(1);
    }
  }
}
