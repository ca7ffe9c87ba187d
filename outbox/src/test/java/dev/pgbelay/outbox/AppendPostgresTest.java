package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import dev.pgbelay.outbox.Outbox.Appended;
import dev.pgbelay.outbox.Outbox.Appended.Outcome;
import dev.pgbelay.outbox.route.Route;
import dev.pgbelay.outbox.route.Routes;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What an append writes, and with how many statements. */
class AppendPostgresTest {
  private static final Map<Thread, List<String>> SENT = new ConcurrentHashMap<>();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withTemplate(OutboxFixture.SCHEMA)
          .withObserver(
              new StatementObserver() {
                @Override
                public void executed(StatementEvent event) {
                  SENT.computeIfAbsent(Thread.currentThread(), t -> new CopyOnWriteArrayList<>())
                      .add(event.sql());
                }

                @Override
                public void ended(TransactionEvent event) {}
              });

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());

  /** What this thread has sent while it did that. */
  private static List<String> sentBy(Runnable action) {
    List<String> mine =
        SENT.computeIfAbsent(Thread.currentThread(), t -> new CopyOnWriteArrayList<>());
    mine.clear();
    action.run();
    return List.copyOf(mine);
  }

  private void inOneStatement(List<NewMessage> messages) {
    fixture.transactions.execute(
        tx -> {
          tx.dsl().fetch("select 1");
          assertThat(sentBy(() -> fixture.outbox.appendAll(tx, messages))).hasSize(1);
        });
  }

  @Test
  void append_sendsNothingButTheInsert() {
    fixture.transactions.execute(
        tx -> {
          tx.dsl().fetch("select 1");
          assertThat(sentBy(() -> fixture.outbox.append(tx, fixture.message("plain"))))
              .singleElement()
              .asString()
              .startsWith("INSERT INTO");
          assertThat(
                  sentBy(
                      () ->
                          fixture.outbox.append(
                              tx, fixture.message("k", "strict").withStrictOrder())))
              .hasSize(1);
          assertThat(
                  sentBy(
                      () ->
                          fixture.outbox.append(
                              tx, fixture.message("id").withMessageId("its own"))))
              .hasSize(1);
        });
    assertThat(fixture.payloads()).containsExactly("plain", "strict", "id");
  }

  @Test
  void fiveThousandMessages_areOneStatement() {
    inOneStatement(
        IntStream.range(0, 5_000).mapToObj(i -> fixture.message("k" + i % 7, "p" + i)).toList());
    assertThat(fixture.payloads())
        .containsExactlyElementsOf(IntStream.range(0, 5_000).mapToObj(i -> "p" + i).toList());
  }

  @Test
  void fiveThousandMessagesInStrictOrderUnderOwnIds_areOneStatement() {
    inOneStatement(
        IntStream.range(0, 5_000)
            .mapToObj(
                i ->
                    fixture
                        .message("k" + i % 700, "p" + i)
                        .withStrictOrder()
                        .withMessageId("own " + i))
            .toList());
    assertThat(fixture.payloads())
        .containsExactlyElementsOf(IntStream.range(0, 5_000).mapToObj(i -> "p" + i).toList());
  }

  @Test
  void moreMessages_areAStatementForEachPart() {
    List<NewMessage> messages =
        IntStream.range(0, 10_001)
            .mapToObj(
                i ->
                    i % 2 == 0
                        ? fixture.message("p" + i)
                        : fixture.message("k", "p" + i).withStrictOrder())
            .toList();
    fixture.transactions.execute(
        tx -> {
          tx.dsl().fetch("select 1");
          assertThat(sentBy(() -> fixture.outbox.appendAll(tx, messages))).hasSize(4);
        });
    assertThat(fixture.payloads())
        .containsExactlyElementsOf(IntStream.range(0, 10_001).mapToObj(i -> "p" + i).toList());
  }

  @Test
  void everythingOfAMessage_isStored() {
    Appended appended =
        fixture.append(
            fixture
                .message("a \"key\"", "payload")
                .withType("order-placed")
                .withHeader("trace", "a \"b\" \\ {,}")
                .withHeader("empty", ""));
    assertThat(appended.outcome()).isEqualTo(Outcome.APPENDED);
    var row =
        fixture.dsl.fetchSingle(
            "select m.*, d.name, now() - m.appended_at < interval '1 minute' as fresh"
                + " from pgbelay.outbox_message m join pgbelay.outbox_destination d on d.id = m.destination"
                + " where message_id = ?",
            appended.messageId());
    assertThat(row.get("topic")).isEqualTo(fixture.topic);
    assertThat(row.get("name")).isEqualTo(fixture.destination);
    assertThat(row.get("key")).isEqualTo("a \"key\"");
    assertThat(row.get("type")).isEqualTo("order-placed");
    assertThat(row.get("headers", String[].class))
        .containsExactly("trace", "a \"b\" \\ {,}", "empty", "");
    assertThat(row.get("payload", byte[].class)).asString().isEqualTo("payload");
    assertThat(row.get("lane", int.class)).isEqualTo(KeyPlace.lane("a \"key\""));
    assertThat(row.get("replay", boolean.class)).isFalse();
    assertThat(row.get("fresh", boolean.class)).isTrue();
  }

  @Test
  void manyMessages_areStoredAsEachAlone() {
    NewMessage full =
        fixture.message("k", "p").withType("t").withHeader("a", "\"").withHeader("b", "{}\\");
    List<Appended> all = fixture.appendAll(List.of(full, fixture.message("bare")));
    String columns =
        "select destination, lane, topic, key, type, headers::text, payload::text, replay"
            + " from pgbelay.outbox_message where message_id = ?";
    assertThat(fixture.dsl.fetchSingle(columns, all.get(0).messageId()).intoList())
        .isEqualTo(fixture.dsl.fetchSingle(columns, fixture.append(full).messageId()).intoList());
    assertThat(fixture.dsl.fetchSingle(columns, all.get(1).messageId()).intoList().subList(2, 6))
        .containsExactly(fixture.topic, null, null, null);
  }

  @Test
  void topicWithTwoDestinations_hasARowForEach() {
    fixture.transactions.execute(
        tx -> Routes.create().add(tx, fixture.topic, fixture.destination + "-too"));
    Appended one = fixture.append(fixture.message("k", "p"));
    fixture.appendAll(List.of(fixture.message("q"), fixture.message("r")));
    assertThat(
            fixture.dsl.fetch(
                "select d.name, count(*)::int from pgbelay.outbox_message m"
                    + " join pgbelay.outbox_destination d on d.id = m.destination"
                    + " where topic = ? group by 1 order by 1",
                fixture.topic))
        .extracting(row -> row.get(0) + " " + row.get(1))
        .containsExactly(fixture.destination + " 3", fixture.destination + "-too 3");
    assertThat(
            fixture.count(
                "select count(distinct lane) from pgbelay.outbox_message where message_id = ?",
                one.messageId()))
        .isEqualTo(1);
  }

  @Test
  void unknownTopic_isRefusedAndNothingIsWritten() {
    NewMessage unknown = NewMessage.text("nowhere", "x").withMessageId("of nowhere");
    fixture.transactions.execute(
        tx -> {
          assertThatThrownBy(() -> fixture.outbox.append(tx, NewMessage.text("nowhere", "x")))
              .isInstanceOf(PgBelayException.class)
              .hasMessageContaining("topic 'nowhere'")
              .hasMessageContaining("Routes.add");
          assertThatThrownBy(
                  () -> fixture.outbox.appendAll(tx, List.of(fixture.message("x"), unknown)))
              .hasMessageContaining("topic 'nowhere'");
          List<NewMessage> parts = new java.util.ArrayList<>();
          IntStream.range(0, 5_001).forEach(i -> parts.add(fixture.message("x")));
          parts.add(unknown);
          assertThatThrownBy(() -> fixture.outbox.appendAll(tx, parts))
              .hasMessageContaining("topic 'nowhere'");
        });
    assertThat(fixture.payloads()).isEmpty();
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_message_id where message_id = 'of nowhere'"))
        .isZero();
  }

  @Test
  void messageThatIsUnfit_isRefusedBeforeAnythingIsWritten() {
    NewMessage fits = fixture.message("x");
    NewMessage tooLarge = NewMessage.bytes(fixture.topic, new byte[(256 << 10) + 1]);
    Outbox small = Outbox.builder().payloadLimit(3).build();
    fixture.transactions.execute(
        tx -> {
          for (List<NewMessage> messages : List.of(List.of(tooLarge), List.of(fits, tooLarge))) {
            assertThatThrownBy(() -> fixture.outbox.appendAll(tx, messages))
                .isInstanceOf(PgBelayException.class)
                .hasMessageContaining("'" + fixture.topic + "' has 262145 bytes")
                .hasMessageContaining("the limit is 262144")
                .hasMessageContaining("raise payloadLimit");
          }
          assertThatThrownBy(() -> fixture.outbox.append(tx, tooLarge))
              .hasMessageContaining("262145");
          assertThatThrownBy(() -> small.append(tx, fixture.message("four")))
              .hasMessageContaining("the limit is 3");
          assertThatThrownBy(() -> fixture.outbox.append(tx, fits.withStrictOrder()))
              .isInstanceOf(PgBelayException.class)
              .hasMessageContaining("asks for strict order and has no key")
              .hasMessageContaining("withKey");
          assertThatThrownBy(
                  () -> fixture.outbox.appendAll(tx, List.of(fits, fits.withStrictOrder())))
              .hasMessageContaining("asks for strict order and has no key");
        });
    assertThat(fixture.payloads()).isEmpty();
    assertThatThrownBy(() -> Outbox.builder().payloadLimit((64 << 20) + 1))
        .hasMessageContaining("payloadLimit must be between 1 and 67108864");
    assertThat(fixture.append(NewMessage.bytes(fixture.topic, new byte[256 << 10])).outcome())
        .isEqualTo(Outcome.APPENDED);
  }

  @Test
  void missingTables_areNamedWithTheRemedy() {
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx ->
                        Outbox.builder()
                            .schema("elsewhere")
                            .build()
                            .append(tx, fixture.message("x"))))
        .isInstanceOf(org.jooq.exception.DataAccessException.class)
        .hasMessageContaining("SQLSTATE 42P01")
        .hasMessageContaining("SchemaInstaller");
  }

  @Test
  void routes_areAddedRemovedAndListed() {
    Routes routes = Routes.create();
    String topic = fixture.topic + "-r";
    fixture.transactions.execute(
        tx -> {
          assertThat(routes.add(tx, topic, "second")).isEqualTo(Routes.Outcome.DONE);
          assertThat(routes.add(tx, topic, "second")).isEqualTo(Routes.Outcome.UNCHANGED);
          assertThat(routes.add(tx, topic, "first")).isEqualTo(Routes.Outcome.DONE);
        });
    assertThat(routes.list(fixture.dsl))
        .filteredOn(route -> route.topic().equals(topic))
        .extracting(Route::destination)
        .containsExactly("first", "second");
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.outbox_lane l join pgbelay.outbox_destination d"
                    + " on d.id = l.destination where d.name = 'second' and claimant is null"))
        .isEqualTo(KeyPlace.LANES);
    fixture.transactions.execute(
        tx -> {
          assertThat(routes.remove(tx, topic, "second")).isEqualTo(Routes.Outcome.DONE);
          assertThat(routes.remove(tx, topic, "second")).isEqualTo(Routes.Outcome.UNCHANGED);
          assertThatThrownBy(() -> routes.add(tx, topic, "a b"))
              .hasMessageContaining("destination 'a b'");
        });
    assertThat(routes.list(fixture.dsl)).contains(new Route(topic, "first"));
    assertThat(routes.list(fixture.dsl)).doesNotContain(new Route(topic, "second"));
  }

  @Test
  void nothing_isAppendedOfNoMessages() {
    assertThat(fixture.appendAll(List.of())).isEmpty();
  }
}
