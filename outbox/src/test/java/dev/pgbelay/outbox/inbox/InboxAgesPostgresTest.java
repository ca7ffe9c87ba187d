package dev.pgbelay.outbox.inbox;

import static dev.pgbelay.outbox.inbox.InboxFixture.CONSUMER;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Tx;
import dev.pgbelay.outbox.OutboxFixture;
import dev.pgbelay.outbox.inbox.Inbox.Outcome;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Savepoint;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A message that comes again after any number of days within the retention, whatever its age was;
 * in between, days are emptied. Time is moved by telling the inbox that so many days have passed.
 */
class InboxAgesPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(InboxFixture.SCHEMA);

  private final InboxFixture fixture = new InboxFixture(postgres.dataSource());

  @BeforeEach
  void nothingIsMarked() {
    fixture.dsl.execute("truncate pgbelay.inbox_mark, pgbelay.inbox_other_mark");
  }

  private static Inbox of(int retention) {
    return Inbox.builder().retention(Duration.ofDays(retention)).build();
  }

  private Outcome once(Inbox inbox, String id) {
    return fixture.transactions.run(tx -> inbox.process(tx, id, CONSUMER, same -> {}));
  }

  /** Without leaving anything. */
  private Outcome probe(Inbox inbox, String id) throws Exception {
    return fixture.transactions.run(
        tx -> {
          Savepoint before = tx.connection().setSavepoint();
          Outcome outcome = inbox.process(tx, id, CONSUMER, same -> {});
          tx.connection().rollback(before);
          return outcome;
        });
  }

  /** What the purge deletes, as if so many days had passed. */
  private void purge(int retention, int daysAhead) {
    fixture.dsl.execute(
        "delete from pgbelay.inbox_other_mark"
            + " where processed_at < clock_timestamp() + ? * interval '1 day' - ? * interval '1 day'",
        daysAhead,
        retention);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 7, 21})
  void messageOfAnyAge_isADuplicateForAllOfItsRetention(int retention) throws Exception {
    Inbox inbox = of(retention);
    int today = fixture.today();
    for (int age = -retention - 4; age <= retention + 9; age = next(age, retention)) {
      String id = InboxFixture.bornOn(today - age);
      nothingIsMarked();
      assertThat(once(inbox, id)).isEqualTo(Outcome.PROCESSED);
      for (int days = 0; days <= retention; days += days < 5 || days > retention - 3 ? 1 : 2) {
        Inbox later = inbox.ahead(days);
        later.retention(fixture.transactions).emptyDays();
        if (days < retention) {
          purge(retention, days);
        }
        assertThat(probe(later, id))
            .as("retention %s, age %s, again after %s days", retention, age, days)
            .isEqualTo(Outcome.DUPLICATE);
      }
    }
  }

  /** Each near a border, and every third in between. */
  private static int next(int age, int retention) {
    boolean atABorder = (age >= -4 && age <= MarkDays.FRESH + 2) || age >= retention - 1;
    return atABorder ? age + 1 : Math.min(age + 3, age < -4 ? -4 : retention - 1);
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 1})
  void messageThatComesTwiceAtMidnight_waitsForTheFirstWhateverItsAge(int step) throws Exception {
    int retention = 2;
    Inbox inbox = of(retention);
    int today = fixture.today();
    for (int age = -5; age <= retention + 9; age++) {
      String id = InboxFixture.bornOn(today - age);
      try (Interleaving script = Interleaving.of(postgres.dataSource())) {
        Interleaving.Session a = script.session("a");
        Interleaving.Session b = script.session("b");
        a.run(c -> inbox.process(Tx.join(c), id, CONSUMER, tx -> InboxFixture.effect(tx, id)));
        Interleaving.Step<Outcome> second =
            b.start(
                "age " + age + ", then " + step,
                c ->
                    inbox
                        .ahead(step)
                        .process(Tx.join(c), id, CONSUMER, tx -> InboxFixture.effect(tx, id)));
        second.awaitBlockedBy(a);
        a.commit();
        assertThat(second.get()).as("age %s", age).isEqualTo(Outcome.DUPLICATE);
        b.commit();
      }
      assertThat(fixture.effects(id)).isEqualTo(1);
    }
  }

  /** An id of tomorrow has a mark that is looked for when its day has come. */
  @Test
  void markOfOneConsumer_isNoneOfAnotherTheDayAfter() {
    Inbox inbox = of(2);
    String id = InboxFixture.bornOn(fixture.today() + 1);
    fixture.transactions.execute(tx -> inbox.process(tx, id, "first", same -> {}));
    Outcome ofAnother =
        fixture.transactions.run(tx -> inbox.ahead(1).process(tx, id, "second", same -> {}));
    assertThat(ofAnother).isEqualTo(Outcome.PROCESSED);
    Outcome again =
        fixture.transactions.run(tx -> inbox.ahead(1).process(tx, id, "first", same -> {}));
    assertThat(again).isEqualTo(Outcome.DUPLICATE);
  }

  @Test
  void days_areEmptiedOnceNobodyCanAskForThem() {
    Inbox inbox = of(2);
    String id = fixture.bornDaysAgo(1);
    once(inbox, id);
    assertThat(inbox.retention(fixture.transactions).emptyDays())
        .isEqualTo(new InboxRetention.Emptied(0, 0));
    assertThat(fixture.datedMarks(id)).isEqualTo(1);
    assertThat(inbox.ahead(12).retention(fixture.transactions).emptyDays())
        .isEqualTo(new InboxRetention.Emptied(1, 0));
    assertThat(fixture.datedMarks(id)).isZero();
  }

  @Test
  void slotThatWasNotEmptiedInTime_holdsTwoDaysAndKeepsThemApart() throws Exception {
    Inbox inbox = of(21);
    int today = fixture.today();
    String old = InboxFixture.bornOn(today - 1);
    String reused = InboxFixture.bornOn(today - 1 + MarkDays.SLOTS);
    fixture.transactions.run(tx -> inbox.process(tx, old, CONSUMER, same -> {}));
    Inbox later = inbox.ahead(MarkDays.SLOTS);
    fixture.transactions.run(tx -> later.process(tx, reused, CONSUMER, same -> {}));
    assertThat(later.retention(fixture.transactions).emptyDays().emptied()).isZero();
    assertThat(probe(later, reused)).isEqualTo(Outcome.DUPLICATE);
    assertThat(List.of(fixture.datedMarks(old), fixture.datedMarks(reused))).containsOnly(1);
  }

  /** A statement that has read the clock before midnight may write behind an upkeep after it. */
  @ParameterizedTest
  @ValueSource(ints = {1, 21})
  void upkeepOfTheNextDay_leavesWhatMayStillBeAskedFor(int retention) throws Exception {
    Inbox inbox = of(retention);
    for (int age = 0; age <= MarkDays.FRESH; age++) {
      String id = InboxFixture.bornOn(fixture.today() - age);
      assertThat(once(inbox, id)).isEqualTo(Outcome.PROCESSED);
      inbox.ahead(retention + 1).retention(fixture.transactions).emptyDays();
      assertThat(probe(inbox.ahead(retention), id))
          .as("age %s, on the last day of its retention", age)
          .isEqualTo(Outcome.DUPLICATE);
    }
  }

  /** Days pass between the two looks of one run: the slot is then that of a day that is kept. */
  @Test
  void slotThatIsWrittenToBetweenTwoLooks_isNotEmptied() throws Exception {
    Inbox inbox = of(2);
    int slot = Math.floorMod(fixture.today() - 1, MarkDays.SLOTS);
    once(inbox, InboxFixture.bornOn(fixture.today() - 1));
    Inbox later = inbox.ahead(MarkDays.SLOTS);
    String reused = InboxFixture.bornOn(fixture.today() - 1 + MarkDays.SLOTS);
    AtomicInteger daysAhead = new AtomicInteger(12);
    InboxRetention retention =
        new InboxRetention(
            fixture.transactions, "pgbelay", inbox.days(), daysAhead::get, InboxMeters.NONE);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session writer = script.session("writer");
      Interleaving.Session upkeep = script.session("upkeep");
      writer.run(
          c -> later.process(Tx.join(c), reused, CONSUMER, tx -> InboxFixture.effect(tx, reused)));
      Interleaving.Step<InboxRetention.Emptied> emptying =
          upkeep.start("empty", c -> retention.emptyDays());
      OutboxFixture.await(() -> waitsForSlot(slot));
      daysAhead.set(MarkDays.SLOTS);
      writer.commit();
      assertThat(emptying.get()).isEqualTo(new InboxRetention.Emptied(0, 0));
    }
    assertThat(fixture.datedMarks(reused)).isEqualTo(1);
    assertThat(probe(later, reused)).isEqualTo(Outcome.DUPLICATE);
  }

  private boolean waitsForSlot(int slot) {
    return fixture
            .dsl
            .fetch(
                "select 1 from pg_locks where not granted and relation ="
                    + " format('pgbelay.inbox_mark_%s', lpad(?::text, 2, '0'))::regclass",
                slot)
            .size()
        == 1;
  }

  @Test
  void dayInWhichATransactionWrites_isLeftForTheNextTime() throws Exception {
    Inbox inbox = of(2);
    String id = fixture.bornDaysAgo(0);
    Inbox later = inbox.ahead(12);
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session a = script.session("a");
      String before = fixture.bornDaysAgo(0);
      fixture.transactions.run(tx -> inbox.process(tx, before, CONSUMER, same -> {}));
      a.run(c -> inbox.process(Tx.join(c), id, CONSUMER, same -> {}));
      assertThat(later.retention(fixture.transactions).emptyDays())
          .isEqualTo(new InboxRetention.Emptied(0, 1));
      a.commit();
    }
    assertThat(later.retention(fixture.transactions).emptyDays())
        .isEqualTo(new InboxRetention.Emptied(1, 0));
  }

  @Test
  void purge_deletesOtherMarksWhoseRetentionIsOverAndNoOthers() {
    fixture.process("old");
    fixture.process("new");
    fixture.dsl.execute(
        "update pgbelay.inbox_other_mark set processed_at = processed_at - interval '7 days 1 s'"
            + " where message_id = 'old'");
    fixture.dsl.execute(
        "update pgbelay.inbox_other_mark set processed_at = processed_at - interval '6 days 23:59'"
            + " where message_id = 'new'");
    fixture.inbox.retention(fixture.transactions).purge().build().run();
    assertThat(fixture.otherMarks("old")).isZero();
    assertThat(fixture.otherMarks("new")).isEqualTo(1);
  }
}
