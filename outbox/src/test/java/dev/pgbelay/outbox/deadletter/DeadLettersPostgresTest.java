package dev.pgbelay.outbox.deadletter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.batch.chunk.ChunkReport;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.outbox.OutboxFixture;
import dev.pgbelay.outbox.deadletter.DeadLetters.Outcome;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Messages that were given up. */
class DeadLettersPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withTemplate(
              dataSource ->
                  SchemaInstaller.builder(dataSource).modules("batch", "outbox").build().install());

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());
  private final DeadLetters letters = DeadLetters.create();

  private List<DeadLetter> dead(int count) {
    fixture.appendAll(
        IntStream.range(0, count)
            .mapToObj(i -> fixture.message("k", "p" + i).withType("t").withHeader("trace", "x"))
            .toList());
    fixture.buryAll();
    return letters.list(fixture.dsl, fixture.destination, 1_000);
  }

  private Outcome redrive(long id) {
    return fixture.transactions.run(tx -> letters.redrive(tx, fixture.destination, id));
  }

  private int redriveMany(int limit) {
    return fixture.transactions.run(tx -> letters.redriveMany(tx, fixture.destination, limit));
  }

  private Outcome delete(long id) {
    return fixture.transactions.run(tx -> letters.delete(tx, fixture.destination, id));
  }

  @Test
  void letter_hasEverythingOfItsMessage() {
    DeadLetter letter = dead(1).get(0);
    assertThat(letter.destination()).isEqualTo(fixture.destination);
    assertThat(letter.topic()).isEqualTo(fixture.topic);
    assertThat(letter.key()).contains("k");
    assertThat(letter.type()).contains("t");
    assertThat(letter.headers()).isEqualTo(Map.of("trace", "x"));
    assertThat(letter.attempts()).isEqualTo(3);
    assertThat(letter.reason()).isEqualTo("no answer");
    assertThat(letter.diedAt()).isAfterOrEqualTo(letter.appendedAt());
    assertThat(letters.find(fixture.dsl, fixture.destination, letter.id())).contains(letter);
    assertThat(letters.payload(fixture.dsl, fixture.destination, letter.id()).orElseThrow())
        .asString()
        .isEqualTo("p0");
    assertThat(letters.find(fixture.dsl, "another", letter.id())).isEmpty();
    assertThat(letters.payload(fixture.dsl, "another", letter.id())).isEmpty();
  }

  @Test
  void list_isReadByPages() {
    List<DeadLetter> all = dead(5);
    List<DeadLetter> first = letters.list(fixture.dsl, fixture.destination, 2);
    assertThat(first).isEqualTo(all.subList(0, 2));
    assertThat(letters.list(fixture.dsl, fixture.destination, first.get(1).id(), 10))
        .isEqualTo(all.subList(2, 5));
    assertThatThrownBy(() -> letters.list(fixture.dsl, fixture.destination, 1_001))
        .hasMessageContaining("limit must be between 1 and 1000");
  }

  @Test
  void redrivenLetter_comesBackWithANewIdAndItsMessageId() {
    DeadLetter letter = dead(1).get(0);
    fixture.append(fixture.message("k", "later"));
    assertThat(redrive(letter.id())).isEqualTo(Outcome.DONE);
    assertThat(redrive(letter.id())).isEqualTo(Outcome.NOT_FOUND);
    assertThat(fixture.payloads()).containsExactly("later", "p0");
    var row =
        fixture.dsl.fetchSingle(
            "select id, message_id, headers, appended_at from pgbelay.outbox_message"
                + " where message_id = ?",
            letter.messageId());
    assertThat(row.get("id", long.class)).isGreaterThan(letter.id());
    assertThat(row.get("headers", String[].class)).containsExactly("trace", "x");
    assertThat(row.get("appended_at", java.time.OffsetDateTime.class).toInstant())
        .isEqualTo(letter.appendedAt());
    assertThat(letters.list(fixture.dsl, fixture.destination, 10)).isEmpty();
  }

  @Test
  void manyRedriven_keepTheirOrder() {
    dead(5);
    assertThat(redriveMany(3)).isEqualTo(3);
    assertThat(fixture.payloads()).containsExactly("p0", "p1", "p2");
    assertThat(redriveMany(3)).isEqualTo(2);
    assertThat(fixture.payloads()).containsExactly("p0", "p1", "p2", "p3", "p4");
  }

  @Test
  void letterThatSomebodyElseRedrives_isPassedOver() throws Exception {
    List<DeadLetter> all = dead(2);
    try (Connection other = postgres.dataSource().getConnection()) {
      other.setAutoCommit(false);
      letters.redrive(Tx.join(other), fixture.destination, all.get(0).id());
      int rest = CompletableFuture.supplyAsync(() -> redriveMany(10)).get(60, TimeUnit.SECONDS);
      assertThat(rest).isEqualTo(1);
      other.commit();
    }
    assertThat(fixture.payloads()).containsExactlyInAnyOrder("p0", "p1");
  }

  @Test
  void deletedLetter_isGone() {
    DeadLetter letter = dead(1).get(0);
    assertThat(delete(letter.id())).isEqualTo(Outcome.DONE);
    assertThat(delete(letter.id())).isEqualTo(Outcome.NOT_FOUND);
    assertThat(fixture.payloads()).isEmpty();
  }

  @Test
  void oldLettersOfADestination_arePurgedAndNoOthers() {
    OutboxFixture other = new OutboxFixture(postgres.dataSource());
    other.append(other.message("k", "old too"));
    other.buryAll();
    dead(1_500);
    fixture.dsl.execute(
        "update pgbelay.outbox_dead set died_at = died_at - interval '91 days'"
            + " where convert_from(payload, 'UTF8') <> 'p7' and topic in (?, ?)",
        fixture.topic,
        other.topic);
    ChunkReport report = purge(fixture.destination);
    assertThat(report.outcome()).isEqualTo(ChunkReport.Outcome.DONE);
    assertThat(report.rows()).isEqualTo(1_499);
    List<DeadLetter> left = letters.list(fixture.dsl, fixture.destination, 10);
    assertThat(left).hasSize(1);
    assertThat(letters.payload(fixture.dsl, fixture.destination, left.get(0).id()).orElseThrow())
        .asString()
        .isEqualTo("p7");
    assertThat(letters.list(fixture.dsl, other.destination, 10)).hasSize(1);
    assertThat(purge(fixture.destination).rows()).isZero();
    assertThat(purge(other.destination).rows()).isEqualTo(1);
  }

  private ChunkReport purge(String destination) {
    return letters.purge(fixture.transactions, destination, Duration.ofDays(90)).build().run();
  }

  @Test
  void purgeOfABadName_isRefused() {
    assertThatThrownBy(() -> letters.purge(fixture.transactions, "no/name", Duration.ofDays(1)))
        .hasMessageContaining("destination 'no/name'");
    assertThatThrownBy(() -> letters.purge(fixture.transactions, "d", Duration.ZERO))
        .hasMessageContaining("keep must be at least 1 second");
  }
}
