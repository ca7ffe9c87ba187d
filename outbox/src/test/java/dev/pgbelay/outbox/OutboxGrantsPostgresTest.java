package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.TxWork;
import dev.pgbelay.outbox.deadletter.DeadLetters;
import dev.pgbelay.outbox.held.HeldKeys;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import org.jooq.exception.DataAccessException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The grants that the guide lists are enough. */
class OutboxGrantsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());

  @BeforeAll
  static void makeRoles() {
    OutboxFixture fixture = new OutboxFixture(postgres.dataSource());
    for (String role : List.of("producer", "namer", "router", "operator")) {
      fixture.dsl.execute(
          "do $$ begin create role outbox_"
              + role
              + "; exception when duplicate_object then null; end $$");
      fixture.dsl.execute("grant usage on schema pgbelay to outbox_" + role);
    }
    for (String grant :
        List.of(
            "select on pgbelay.outbox_route to outbox_producer, outbox_namer",
            "insert, select on pgbelay.outbox_message to outbox_producer, outbox_namer",
            "insert, select on pgbelay.outbox_message_id to outbox_namer",
            "select, insert, delete on pgbelay.outbox_route to outbox_router",
            "select, insert on pgbelay.outbox_destination to outbox_router",
            "insert on pgbelay.outbox_lane to outbox_router",
            "select on pgbelay.outbox_destination to outbox_operator",
            "select, update on pgbelay.outbox_held_key to outbox_operator",
            "select, delete on pgbelay.outbox_held to outbox_operator",
            "select, insert, update, delete on pgbelay.outbox_dead to outbox_operator",
            "insert, select on pgbelay.outbox_message to outbox_operator")) {
      fixture.dsl.execute("grant " + grant);
    }
  }

  private <T> T as(String role, TxWork<T, RuntimeException> work) {
    return fixture.transactions.run(
        TxOptions.builder().setting("role", "outbox_" + role).build(), work);
  }

  @Test
  void producer_appends() {
    as("producer", tx -> fixture.outbox.append(tx, fixture.message("plain")));
    as("producer", tx -> fixture.outbox.append(tx, fixture.message("k", "x").withStrictOrder()));
    as(
        "producer",
        tx -> fixture.outbox.appendAll(tx, List.of(fixture.message("a"), fixture.message("b"))));
    assertThat(fixture.payloads()).containsExactly("plain", "x", "a", "b");
    NewMessage named = fixture.message("named").withMessageId("of a role");
    assertThatThrownBy(() -> as("producer", tx -> fixture.outbox.append(tx, named)))
        .isInstanceOf(DataAccessException.class)
        .hasMessageContaining("lacks a grant that the guide of the outbox lists");
    as("namer", tx -> fixture.outbox.append(tx, named));
    assertThat(fixture.payloads()).hasSize(5);
  }

  @Test
  void router_routes() {
    Routes routes = Routes.create();
    as("router", tx -> routes.add(tx, fixture.topic, "of-the-router"));
    as("router", tx -> routes.list(tx.dsl()));
    as("router", tx -> routes.remove(tx, fixture.topic, "of-the-router"));
    assertThat(routes.list(fixture.dsl)).extracting("destination").doesNotContain("of-the-router");
  }

  @Test
  void operator_resumesSkipsAndRedrives() {
    fixture.append(fixture.message("k", "1"));
    fixture.append(fixture.message("k", "2"));
    fixture.holdAll(true);
    HeldKeys.Outcome skipped =
        as("operator", tx -> HeldKeys.create().skip(tx, fixture.destination, "k:k"));
    assertThat(skipped).isEqualTo(HeldKeys.Outcome.DONE);
    HeldKeys.Outcome resumed =
        as("operator", tx -> HeldKeys.create().resume(tx, fixture.destination, "k:k"));
    assertThat(resumed).isEqualTo(HeldKeys.Outcome.DONE);
    int redriven =
        as("operator", tx -> DeadLetters.create().redriveMany(tx, fixture.destination, 10));
    assertThat(redriven).isEqualTo(1);
    assertThat(fixture.payloads()).containsExactly("1");
  }
}
