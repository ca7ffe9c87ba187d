package dev.pgbelay.idempotency.webhook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.idempotency.webhook.StoredEvent.State;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Purges, and the grants of the guide: enough, and none of them too many. */
class WebhookUpkeepPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Inboxes.SCHEMA);

  private final Inboxes bank = new Inboxes(postgres.dataSource());

  @Test
  void finishedEventsAndConflicts_arePurged_openOnesStay() throws Exception {
    WebhookInbox inbox = bank.inbox();
    List<String> ids = new ArrayList<>();
    for (String what : List.of("processed", "discarded", "parked", "pending", "fresh")) {
      ids.add(Inboxes.freshId());
      bank.deliver(inbox, ids.get(ids.size() - 1), what);
    }
    bank.deliver(inbox, ids.get(0), "other");
    bank.deliver(inbox, ids.get(4), "other");
    WebhookWorker worker =
        WebhookWorker.builder(
                bank.inbox(
                    options ->
                        options.attempts(
                            3, java.time.Duration.ofHours(1), java.time.Duration.ofHours(1))),
                (tx, event) -> {
                  String what = event.text();
                  return what.endsWith("pending")
                      ? Handled.notYet("")
                      : what.endsWith("ed") && !what.endsWith("processed")
                          ? Handled.park("")
                          : Handled.processed();
                })
            .build();
    assertThat(worker.runOnce()).isEqualTo(5);
    inbox.discard(ids.get(1), "test");
    for (String old : ids.subList(0, 4)) {
      bank.age(old, "31 days");
    }
    bank.age(ids.get(4), "29 days");
    ageConflict(ids.get(0), "31 days");
    ageConflict(ids.get(4), "29 days");
    for (ChunkedJob.Builder purge : inbox.purges()) {
      purge.build().run();
    }
    assertThat(inbox.find(ids.get(0))).isEmpty();
    assertThat(inbox.find(ids.get(1))).isEmpty();
    assertThat(inbox.find(ids.get(2)).orElseThrow().state()).isEqualTo(State.PARKED);
    assertThat(inbox.find(ids.get(3)).orElseThrow().state()).isEqualTo(State.PENDING);
    assertThat(inbox.find(ids.get(4)).orElseThrow().state()).isEqualTo(State.PROCESSED);
    assertThat(inbox.conflicts(10)).extracting(WebhookEvent::id).containsExactly(ids.get(4));
  }

  private void ageConflict(String id, String by) {
    bank.dsl.execute(
        "update pgbelay.webhook_conflict set received_at = received_at - cast(? as interval)"
            + " where event_id = ?",
        by,
        id);
  }

  private interface AsRole {
    void run(Inboxes bank) throws Exception;
  }

  private static void withGrants(List<String> grants, AsRole test) throws Exception {
    DSLContext owner = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
    String role = "r" + UUID.randomUUID().toString().replace("-", "");
    owner.execute("create role " + role + " login");
    try {
      owner.execute("grant usage on schema pgbelay to " + role);
      for (String grant : grants) {
        owner.execute("grant " + grant + " to " + role);
      }
      try (HikariDataSource pool = Inboxes.pool(postgres.jdbcUrl(), 2, "set role " + role)) {
        test.run(new Inboxes(pool));
      }
    } finally {
      owner.execute("drop owned by " + role);
      owner.execute("drop role " + role);
    }
  }

  private static final List<String> ENDPOINT =
      List.of(
          "select, insert on pgbelay.webhook_event", "select, insert on pgbelay.webhook_conflict");

  private static final List<String> WORKER = List.of("select, update on pgbelay.webhook_event");

  @Test
  void endpoint_needsSelectAndInsert() throws Exception {
    withGrants(
        ENDPOINT,
        own -> {
          WebhookInbox inbox = own.inbox();
          assertThat(own.deliver(inbox, "e", "a").status()).isEqualTo(200);
          assertThat(own.deliver(inbox, "e", "a").outcome()).isEqualTo(Reception.Outcome.DUPLICATE);
          assertThat(own.deliver(inbox, "e", "b").outcome()).isEqualTo(Reception.Outcome.CONFLICT);
          assertThat(inbox.pending(1)).hasSize(1);
        });
    for (String grant : ENDPOINT) {
      for (String one : List.of("select", "insert")) {
        List<String> less = new ArrayList<>(ENDPOINT);
        less.set(ENDPOINT.indexOf(grant), grant.replace("select, insert", one));
        withGrants(
            less,
            own -> {
              WebhookInbox inbox = own.inbox();
              assertThatThrownBy(
                      () -> {
                        own.deliver(inbox, "e", "a");
                        own.deliver(inbox, "e", "b");
                      })
                  .satisfies(
                      e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.NOT_PERMITTED));
            });
      }
    }
  }

  @Test
  void workerAndDecisions_needSelectAndUpdate() throws Exception {
    withGrants(
        WORKER,
        own -> {
          WebhookInbox inbox = own.inbox();
          WebhookInbox owners =
              WebhookInbox.builder(
                      bank.transactions, own.provider, bank.signatures, inbox.options().ids())
                  .build();
          for (String id : List.of("a", "b", "c")) {
            bank.deliver(owners, id, "x");
          }
          WebhookWorker worker =
              WebhookWorker.builder(
                      inbox,
                      (tx, event) ->
                          event.id().equals("a") ? Handled.processed() : Handled.park("test"))
                  .build();
          assertThat(worker.runOnce()).isEqualTo(3);
          assertThat(inbox.discard("b", "test")).contains(State.DISCARDED);
          assertThat(inbox.redrive("c")).contains(State.PENDING);
        });
    for (String one : List.of("select", "update")) {
      withGrants(
          List.of(WORKER.get(0).replace("select, update", one)),
          own ->
              assertThatThrownBy(
                      () ->
                          WebhookWorker.builder(own.inbox(), (tx, event) -> Handled.processed())
                              .build()
                              .runOnce())
                  .satisfies(
                      e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.NOT_PERMITTED)));
    }
  }
}
