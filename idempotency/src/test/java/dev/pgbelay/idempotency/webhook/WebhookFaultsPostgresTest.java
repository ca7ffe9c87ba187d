package dev.pgbelay.idempotency.webhook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.idempotency.webhook.Reception.Outcome;
import dev.pgbelay.idempotency.webhook.StoredEvent.State;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresExtension;
import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Answers of the database that get lost, and processes that are killed, on an event's way. */
class WebhookFaultsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Inboxes.SCHEMA);

  private static final Duration LONG = Duration.ofMinutes(2);

  /** For what takes a second or two where all is well. */
  private static final Duration SOME = Duration.ofSeconds(20);

  private final Inboxes bank = new Inboxes(postgres.dataSource());
  private final String id = Inboxes.freshId();

  @FunctionalInterface
  private interface Behind {
    void run(FaultProxy proxy, WebhookInbox inbox) throws Exception;
  }

  /** The same inbox, whose process reaches the database through a proxy. */
  private void behindAProxy(Behind behind) throws Exception {
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
        HikariDataSource pool =
            Inboxes.pool(proxy.jdbcUrl(postgres.database().name()), 4, "select 1")) {
      Inboxes process = new Inboxes(pool, bank.provider);
      behind.run(proxy, process.inbox(builder -> builder.lease(WebhookProcess.LEASE)));
    }
  }

  private void processAll(WebhookInbox inbox) {
    WebhookWorker worker = WebhookWorker.builder(inbox, Inboxes::see).build();
    Awaitility.await("the event is marked as processed")
        .atMost(SOME)
        .until(
            () -> {
              worker.runOnce();
              assertThat(bank.seen(id)).as("handled by now").hasSizeLessThanOrEqualTo(1);
              return inbox.find(id).orElseThrow().state() == State.PROCESSED;
            });
    assertThat(bank.seen(id)).containsExactly(id + "|paid");
    assertThat(bank.rows("webhook_event")).isEqualTo(1);
  }

  /** It waits for somebody who stores the same event and gives up; meanwhile its way back ends. */
  @Test
  void lostAnswerToTheCommitOfAnAccept_isADuplicateWhenTheProviderComesAgain() throws Exception {
    behindAProxy(
        (proxy, inbox) -> {
          CompletableFuture<Reception> lost;
          try (Connection other = postgres.dataSource().getConnection();
              PreparedStatement same =
                  other.prepareStatement(
                      "insert into pgbelay.webhook_event (provider, event_id, fingerprint_version,"
                          + " fingerprint, headers, body) values (?, ?, 1, 'x', 'x', 'x')")) {
            other.setAutoCommit(false);
            same.setString(1, bank.provider);
            same.setString(2, id);
            same.execute();
            lost = CompletableFuture.supplyAsync(() -> bank.deliver(inbox, id, "paid"));
            awaitWaitForALock();
            proxy.cutAfterBytes(FaultProxy.Direction.TO_CLIENT, 1);
            other.rollback();
          }
          assertThatThrownBy(() -> lost.get(LONG.toSeconds(), TimeUnit.SECONDS))
              .as("the endpoint answers 503")
              .isInstanceOf(ExecutionException.class);
          assertThat(bank.rows("webhook_event")).as("it was committed").isEqualTo(1);
          proxy.heal();
          assertThat(bank.deliver(inbox, id, "paid").outcome()).isEqualTo(Outcome.DUPLICATE);
          processAll(inbox);
        });
  }

  private void awaitWaitForALock() {
    Awaitility.await()
        .atMost(LONG)
        .until(
            () ->
                bank.dsl
                    .fetchSingle(
                        "select count(*) > 0 from pg_stat_activity where wait_event_type = 'Lock'"
                            + " and datname = current_database() and query like '%webhook_event%'")
                    .get(0, Boolean.class));
  }

  @Test
  void acceptThatNeverArrives_isStoredWhenTheProviderComesAgain() throws Exception {
    behindAProxy(
        (proxy, inbox) -> {
          inbox.find(id);
          proxy.refuseConnections();
          proxy.dropConnections();
          assertThatThrownBy(() -> bank.deliver(inbox, id, "paid"))
              .isInstanceOf(RuntimeException.class);
          assertThat(bank.rows("webhook_event")).isZero();
          proxy.acceptConnections();
          assertThat(bank.deliver(inbox, id, "paid").outcome()).isEqualTo(Outcome.STORED);
          processAll(inbox);
        });
  }

  @Test
  void lostAnswerToTheCommitOfAHandler_isProcessedOnce() throws Exception {
    behindAProxy(
        (proxy, inbox) -> {
          bank.deliver(inbox, id, "paid");
          proxy.cutAfterCommit(1);
          WebhookWorker.builder(inbox, Inboxes::see).build().processing().one();
          assertThat(proxy.counters().cutsAfterCommit()).isEqualTo(1);
          processAll(inbox);
        });
  }

  @Test
  void commitOfAHandlerThatNeverArrives_isTakenOverAndProcessedOnce() throws Exception {
    behindAProxy(
        (proxy, inbox) -> {
          bank.deliver(inbox, id, "paid");
          proxy.cutBeforeCommit(1);
          WebhookWorker.builder(inbox, Inboxes::see).build().processing().one();
          assertThat(proxy.counters().cutsBeforeCommit()).isEqualTo(1);
          assertThat(bank.seen(id)).isEmpty();
          processAll(inbox);
        });
  }

  private String[] command(String at) {
    return new String[] {
      Path.of(System.getProperty("java.home"), "bin", "java").toString(),
      "-XX:TieredStopAtLevel=1",
      "-Xmx128m",
      "-cp",
      System.getProperty("java.class.path"),
      WebhookProcess.class.getName(),
      postgres.jdbcUrl(),
      bank.provider,
      id,
      at
    };
  }

  /** A test that was killed would otherwise leave a process behind that holds an event. */
  @Test
  void processWhoseParentDies_endsWithIt() throws Exception {
    List<String> command = new ArrayList<>(List.of("sh", "-c", "\"$@\" & echo $!; wait", "sh"));
    command.addAll(List.of(command(WebhookProcess.HANDLING)));
    Process parent =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    try (BufferedReader said = parent.inputReader(StandardCharsets.UTF_8)) {
      ProcessHandle child = ProcessHandle.of(Long.parseLong(said.readLine())).orElseThrow();
      try {
        assertThat(said.readLine()).isEqualTo(WebhookProcess.STORED);
        assertThat(said.readLine()).isEqualTo(WebhookProcess.HANDLING);
        parent.destroyForcibly();
        Awaitility.await("the child's end")
            .atMost(Duration.ofSeconds(20))
            .until(() -> !child.isAlive());
      } finally {
        child.destroyForcibly();
      }
    } finally {
      parent.destroyForcibly();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {WebhookProcess.STORED, WebhookProcess.HANDLING})
  void killedProcess_leavesAnEventThatAnotherProcessesOnce(String at) throws Exception {
    Process jvm =
        new ProcessBuilder(command(at)).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    try (BufferedReader said = jvm.inputReader(StandardCharsets.UTF_8)) {
      assertThat(said.readLine()).isEqualTo(WebhookProcess.STORED);
      if (at.equals(WebhookProcess.HANDLING)) {
        assertThat(said.readLine()).isEqualTo(WebhookProcess.HANDLING);
      }
    } finally {
      jvm.destroyForcibly();
    }
    assertThat(jvm.waitFor(LONG.toSeconds(), TimeUnit.SECONDS)).isTrue();
    WebhookInbox inbox = bank.inbox(builder -> builder.lease(WebhookProcess.LEASE));
    assertThat(inbox.find(id).orElseThrow().state()).isEqualTo(State.PENDING);
    assertThat(bank.seen(id)).isEmpty();
    processAll(inbox);
    assertThat(bank.registry.find("pgbelay.idempotency.webhook.takeovers").counters())
        .hasSize(at.equals(WebhookProcess.HANDLING) ? 1 : 0);
    assertThat(bank.deliver(inbox, id, "paid").outcome()).isEqualTo(Outcome.DUPLICATE);
  }
}
