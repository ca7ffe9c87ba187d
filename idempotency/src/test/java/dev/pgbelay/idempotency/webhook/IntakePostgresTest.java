package dev.pgbelay.idempotency.webhook;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.webhook.Reception.Outcome;
import dev.pgbelay.testing.PostgresExtension;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What happens to deliveries before they are answered. */
class IntakePostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(Inboxes.SCHEMA).withPoolSize(12);

  private final Inboxes bank = new Inboxes(postgres.dataSource());
  private final String id = Inboxes.freshId();

  @Test
  void event_isStoredBeforeItIsAnswered_andItsRepetitionsAreDuplicates() {
    WebhookInbox inbox = bank.inbox(options -> options.keepHeaders("Bank-Topic"));
    byte[] body = Inboxes.body(id, "paid");
    Function<String, List<String>> headers =
        Inboxes.headers(
            Map.of(
                bank.signatures.header(),
                bank.signatures.sign(body),
                "bank-topic",
                "charges: all",
                "other",
                "x"));
    Reception stored = inbox.receive(headers, body);
    assertThat(stored.outcome()).isEqualTo(Outcome.STORED);
    assertThat(stored.eventId()).contains(id);
    assertThat(stored.status()).isEqualTo(200);
    for (int i = 0; i < 3; i++) {
      Reception again = bank.deliver(inbox, id, "paid");
      assertThat(again.outcome()).isEqualTo(Outcome.DUPLICATE);
      assertThat(again.status()).isEqualTo(200);
    }
    WebhookEvent read = inbox.read(id).orElseThrow();
    assertThat(read.text()).isEqualTo(id + "|paid");
    assertThat(read.body()).isEqualTo(body);
    assertThat(read.header("BANK-topic")).containsExactly("charges: all");
    assertThat(read.header("other")).isEmpty();
    assertThat(read.provider()).isEqualTo(inbox.provider());
    assertThat(Duration.between(read.receivedAt(), Instant.now()).abs())
        .isLessThan(Duration.ofMinutes(5));
    assertThat(read).hasToString(bank.provider + "/" + id);
    assertThat(inbox.pending(10)).extracting(StoredEvent::id).containsExactly(id);
    assertThat(bank.rows("webhook_event")).isEqualTo(1);
    assertThat(bank.deliveries("stored")).isEqualTo(1);
    assertThat(bank.deliveries("duplicate")).isEqualTo(3);
  }

  @Test
  void sameIdWithAnotherBody_changesNothingAndIsKeptAsAFinding() {
    WebhookInbox inbox = bank.inbox();
    bank.deliver(inbox, id, "paid");
    for (int i = 0; i < 2; i++) {
      Reception other = bank.deliver(inbox, id, "declined");
      assertThat(other.outcome()).isEqualTo(Outcome.CONFLICT);
      assertThat(other.status()).isEqualTo(200);
    }
    assertThat(bank.deliver(inbox, id, "paid").outcome()).isEqualTo(Outcome.DUPLICATE);
    assertThat(inbox.read(id).orElseThrow().text()).isEqualTo(id + "|paid");
    assertThat(inbox.conflicts(10))
        .singleElement()
        .satisfies(other -> assertThat(other.text()).isEqualTo(id + "|declined"));
    assertThat(bank.deliveries("conflict")).isEqualTo(2);
  }

  @Test
  void whatTheProviderCountsInTheBody_canBeLeftOutOfTheComparison() {
    WebhookInbox inbox =
        bank.inbox(
            options ->
                options.fingerprint(
                    body ->
                        Fingerprint.of(
                            1, new String(body, UTF_8).replaceAll("#\\d+", "").getBytes(UTF_8))));
    bank.deliver(inbox, id, "paid#1");
    assertThat(bank.deliver(inbox, id, "paid#2").outcome()).isEqualTo(Outcome.DUPLICATE);
    assertThat(bank.deliver(inbox, id, "declined#3").outcome()).isEqualTo(Outcome.CONFLICT);
  }

  /** Whether it is the same cannot be told; the id says so, and the provider must be answered. */
  @Test
  void ruleOfFingerprintsThatChanged_makesNoConflicts() {
    bank.deliver(bank.inbox(), id, "paid");
    WebhookInbox later = bank.inbox(options -> options.fingerprint(b -> Fingerprint.of(2, b)));
    assertThat(bank.deliver(later, id, "paid").outcome()).isEqualTo(Outcome.DUPLICATE);
  }

  @Test
  void deliveriesOfOneEventAtTheSameTime_areStoredOnce() throws Exception {
    WebhookInbox inbox = bank.inbox();
    int parties = 10;
    CyclicBarrier together = new CyclicBarrier(parties);
    ExecutorService threads = Executors.newFixedThreadPool(parties);
    try {
      List<Future<Outcome>> answers = new ArrayList<>();
      for (int i = 0; i < parties; i++) {
        answers.add(
            threads.submit(
                () -> {
                  together.await();
                  return bank.deliver(inbox, id, "paid").outcome();
                }));
      }
      int stored = 0;
      for (Future<Outcome> answer : answers) {
        Outcome outcome = answer.get(120, TimeUnit.SECONDS);
        assertThat(outcome).isIn(Outcome.STORED, Outcome.DUPLICATE);
        stored += outcome == Outcome.STORED ? 1 : 0;
      }
      assertThat(stored).isEqualTo(1);
      assertThat(bank.rows("webhook_event")).isEqualTo(1);
    } finally {
      threads.shutdownNow();
    }
  }

  private void assertRefused(Reception reception, Outcome outcome, int status) {
    assertThat(reception.outcome()).isEqualTo(outcome);
    assertThat(reception.status()).isEqualTo(status);
    assertThat(reception.eventId()).isEmpty();
    assertThat(reception.detail()).doesNotContain("payload-42");
    assertThat(bank.rows("webhook_event")).isZero();
    assertThat(bank.deliveries(outcome.name().toLowerCase(java.util.Locale.ROOT))).isPositive();
  }

  @Test
  void signatureThatIsWrongMissingOrTooOld_isRefusedBeforeAnythingIsWritten() {
    WebhookInbox inbox = bank.inbox();
    byte[] body = Inboxes.body(id, "payload-42");
    assertRefused(
        inbox.receive(bank.signed(Inboxes.body(id, "x")), body), Outcome.BAD_SIGNATURE, 401);
    assertRefused(inbox.receive(name -> List.of(), body), Outcome.BAD_SIGNATURE, 401);
    HmacSignatures yesterday = Inboxes.signatures(() -> Instant.now().minus(Duration.ofDays(1)));
    Reception old =
        inbox.receive(Inboxes.headers(Map.of(yesterday.header(), yesterday.sign(body))), body);
    assertRefused(old, Outcome.BAD_SIGNATURE, 401);
    assertThat(old.detail()).contains("TOO_OLD");
  }

  @Test
  void bodyOverTheLimit_isRefusedAndNotReadToItsEnd() throws IOException {
    WebhookInbox inbox = bank.inbox(options -> options.maxBodyBytes(100));
    byte[] body = Inboxes.body(id, "payload-42".repeat(100));
    assertRefused(inbox.receive(bank.signed(body), body), Outcome.TOO_LARGE, 413);
    InputStream stream = new ByteArrayInputStream(body);
    assertRefused(inbox.receive(bank.signed(body), stream), Outcome.TOO_LARGE, 413);
    assertThat(stream.available()).isEqualTo(body.length - 101);
    byte[] fits = Inboxes.body(id, "x".repeat(99 - id.length()));
    assertThat(inbox.receive(bank.signed(fits), new ByteArrayInputStream(fits)).outcome())
        .isEqualTo(Outcome.STORED);
  }

  @Test
  void eventIdThatIsMissingTooLongOrNotAscii_isRefusedBeforeAnythingIsWritten() {
    WebhookInbox inbox = bank.inbox();
    for (String unfit : List.of("", "é", "a\tb", "x".repeat(256))) {
      assertRefused(bank.deliver(inbox, unfit, "payload-42"), Outcome.BAD_EVENT_ID, 400);
    }
    byte[] unreadable = "payload-42 without a bar".getBytes(UTF_8);
    assertRefused(inbox.receive(bank.signed(unreadable), unreadable), Outcome.BAD_EVENT_ID, 400);
    assertThat(bank.deliver(inbox, "x".repeat(255), "ok").outcome()).isEqualTo(Outcome.STORED);
  }

  @Test
  void idOfAHeader_isFoundUnlessThereAreTwo() throws Exception {
    EventIds ids = EventIds.header("Webhook-Id");
    assertThat(ids.find(Inboxes.headers(Map.of("webhook-id", "e1")), new byte[0])).contains("e1");
    assertThat(ids.find(name -> List.of("e1", "e2"), new byte[0])).isEmpty();
    assertThat(ids.find(name -> List.of(), new byte[0])).isEmpty();
  }

  @Test
  void synchronousCommitOff_isRefusedAndNothingIsStored() {
    try (HikariDataSource careless =
        Inboxes.pool(postgres.jdbcUrl(), 1, "set synchronous_commit = off")) {
      Inboxes forgetful = new Inboxes(careless);
      WebhookInbox inbox = forgetful.inbox();
      assertThatThrownBy(() -> forgetful.deliver(inbox, id, "paid"))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("synchronous_commit is off");
      assertThat(forgetful.rows("webhook_event")).isZero();
      assertThat(forgetful.deliveries("failed")).isEqualTo(1);
    }
  }

  @Test
  void deliveryInsideATransaction_isRefused() {
    WebhookInbox inbox = bank.inbox();
    assertThatThrownBy(() -> bank.transactions.execute(tx -> bank.deliver(inbox, id, "paid")))
        .isInstanceOf(TransactionException.class);
    assertThat(bank.rows("webhook_event")).isZero();
  }

  private static final class Xor implements Codec<byte[]> {
    @Override
    public byte[] encode(byte[] value) {
      byte[] turned = value.clone();
      for (int i = 0; i < turned.length; i++) {
        turned[i] ^= 0x55;
      }
      return turned;
    }

    @Override
    public byte[] decode(byte[] bytes) {
      return encode(bytes);
    }
  }

  @Test
  void contentIsStoredAsTheCodecWritesIt_andNeverLogged() {
    WebhookInbox inbox =
        bank.inbox(
            options ->
                options
                    .codec(new Xor())
                    .keepHeaders("bank-topic")
                    .attempts(1, Inboxes.MOMENT, Inboxes.MOMENT));
    ByteArrayOutputStream logged = new ByteArrayOutputStream();
    PrintStream before = System.err;
    System.setErr(new PrintStream(logged, true, UTF_8));
    try {
      for (String what : List.of("payload-42", "other payload-42")) {
        byte[] body = Inboxes.body(id, what);
        inbox.receive(
            Inboxes.headers(
                Map.of(
                    bank.signatures.header(),
                    bank.signatures.sign(body),
                    "bank-topic",
                    "header-43")),
            body);
      }
      WebhookWorker worker =
          WebhookWorker.builder(
                  inbox,
                  (tx, event) -> {
                    throw new IOException("cannot handle " + event.text());
                  })
              .build();
      assertThat(worker.runOnce()).isEqualTo(1);
    } catch (Exception e) {
      throw new AssertionError(e);
    } finally {
      System.setErr(before);
    }
    assertThat(logged.toString(UTF_8))
        .contains("another body")
        .contains("is parked")
        .contains(id)
        .doesNotContain("payload-42")
        .doesNotContain("header-43");
    String stored =
        bank.dsl
            .fetch(
                "select encode(body, 'escape') || encode(headers, 'escape') || coalesce(reason, '')"
                    + " from pgbelay.webhook_event where provider = ?"
                    + " union all select encode(body, 'escape') || encode(headers, 'escape')"
                    + " from pgbelay.webhook_conflict where provider = ?",
                bank.provider,
                bank.provider)
            .map(row -> row.get(0, String.class))
            .toString();
    assertThat(stored)
        .contains("java.io.IOException")
        .doesNotContain("payload-42")
        .doesNotContain("header-43");
    assertThat(inbox.read(id).orElseThrow().text()).isEqualTo(id + "|payload-42");
    assertThat(inbox.read(id).orElseThrow().header("bank-topic")).containsExactly("header-43");
    assertThat(inbox.conflicts(10).get(0).text()).isEqualTo(id + "|other payload-42");
  }

  @Test
  void optionsOutOfTheirRange_areRefusedByName() {
    assertThatThrownBy(() -> bank.inbox(options -> options.lease(Duration.ZERO)))
        .hasMessageContaining("lease must be between");
    assertThatThrownBy(() -> bank.inbox(options -> options.maxBodyBytes(0)))
        .hasMessageContaining("maxBodyBytes");
    assertThatThrownBy(() -> bank.inbox(options -> options.retention(Duration.ofDays(6))))
        .hasMessageContaining("a late one would be processed again");
    assertThatThrownBy(
            () ->
                WebhookInbox.builder(
                        bank.transactions, "Bank!", bank.signatures, EventIds.header("i"))
                    .build())
        .hasMessageContaining("provider is \"Bank!\"");
    assertThatThrownBy(() -> bank.inbox(options -> options.repeatedFor(Duration.ofDays(-1))))
        .hasMessageContaining("repeatedFor");
    assertThatThrownBy(() -> bank.inbox(options -> options.keepHeaders("X-Kind: a")))
        .hasMessageContaining("keepHeaders has \"x-kind: a\"");
    assertThatThrownBy(
            () ->
                bank.inbox(options -> options.options(TxOptions.builder().readOnly(true).build())))
        .hasMessageContaining("are readOnly")
        .hasMessageContaining("handlers write");
    assertThatThrownBy(() -> WebhookWorker.builder(bank.inbox(), Inboxes::see).threads(0).build())
        .hasMessageContaining("threads");
  }

  @Test
  void listsWithoutTheirTable_sayWhatToInstall() {
    WebhookInbox nowhere = bank.inbox(options -> options.schema("nowhere"));
    for (ThrowingCallable list :
        List.<ThrowingCallable>of(
            () -> nowhere.pending(1),
            () -> nowhere.find("evt"),
            () -> nowhere.read("evt"),
            () -> nowhere.conflicts(1),
            () -> nowhere.redrive("evt"),
            nowhere::redriveAll,
            () -> nowhere.discard("evt", "why"))) {
      assertThatThrownBy(list)
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("SchemaInstaller, module \"idempotency\"");
    }
  }

  @Test
  void verdictsOfOnesOwn_areValidOrARefusal() {
    assertThat(SignatureVerifier.Verdict.valid().isValid()).isTrue();
    assertThat(
            SignatureVerifier.Verdict.refused(SignatureVerifier.Verdict.Outcome.WRONG, "why")
                .isValid())
        .isFalse();
    assertThatThrownBy(
            () -> SignatureVerifier.Verdict.refused(SignatureVerifier.Verdict.Outcome.VALID, "why"))
        .isInstanceOf(PgBelayException.class);
  }
}
