package dev.pgbelay.outbox.route;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.outbox.Destination;
import dev.pgbelay.outbox.OutboxFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Which topics go where. */
class RoutesPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());
  private final Routes routes = Routes.create();

  /** A service that says its routes at each start: there are 32,767 numbers for destinations. */
  @Test
  void routeThatIsThere_takesNoNumber() {
    String before = numbers();
    for (int i = 0; i < 3; i++) {
      assertThat(add(fixture.topic)).isEqualTo(Routes.Outcome.UNCHANGED);
      assertThat(add("another" + i)).isEqualTo(Routes.Outcome.DONE);
    }
    assertThat(numbers()).isEqualTo(before);
  }

  private Routes.Outcome add(String topic) {
    return fixture.transactions.run(tx -> routes.add(tx, topic, fixture.destination));
  }

  private String numbers() {
    return String.valueOf(
        fixture.dsl.fetchValue("select last_value from pgbelay.outbox_destination_id_seq"));
  }

  /** What no route can lead to is refused by whoever would wait for it. */
  @Test
  void nameThatNoRouteCanHave_isRefusedByTheDestinationToo() {
    for (String name : List.of("", "two words", "ünlaut", ".hidden", "x".repeat(64))) {
      assertThatThrownBy(
              () -> fixture.transactions.execute(tx -> routes.add(tx, fixture.topic, name)))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("'" + name + "' must be 1 to 63");
      assertThatThrownBy(() -> Destination.of(name, messages -> List.of()))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("'" + name + "' must be 1 to 63");
    }
  }
}
