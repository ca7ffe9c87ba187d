package dev.pgbelay.routing;

import static dev.pgbelay.routing.ReadYourWritesPostgresTest.name;
import static dev.pgbelay.routing.ReadYourWritesPostgresTest.rename;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpServer;
import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.token.KeyRing;
import dev.pgbelay.routing.RouteDecision.Reason;
import dev.pgbelay.routing.carrier.TokenCarrier;
import dev.pgbelay.routing.carrier.TokenCarrier.Outcome;
import dev.pgbelay.testing.FaultProxy;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What sessions take along, and what others make of it. */
class TokenCarrierPostgresTest {
  private static final Duration HOUR = Duration.ofHours(1);
  private static final ConsistencyTokens TOKENS = tokens(1);
  private static Cluster cluster;

  @BeforeAll
  static void start() {
    cluster = new Cluster(1);
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  @AfterEach
  void endTest() {
    cluster.replica(1).resumeReplay();
    cluster.endTest();
  }

  private static ConsistencyTokens tokens(int seed) {
    byte[] secret = new byte[32];
    secret[0] = (byte) seed;
    return ConsistencyTokens.of(KeyRing.of("k", secret), HOUR);
  }

  private static ReadYourWrites open(UnaryOperator<ReadYourWritesBuilder> options) {
    return cluster.open(
        builder -> options.apply(builder.maxWait(Duration.ofMillis(20)).maxLag(1L << 40, HOUR)));
  }

  private static String seen(ReadYourWrites db, Session session, int id) {
    return db.read(session, tx -> name(tx, id));
  }

  private static Reason reason(Session session) {
    return session.lastDecision().orElseThrow().reason();
  }

  @Test
  void message_takesAWriteToItsConsumer() {
    ReadYourWrites here = open(builder -> builder);
    ReadYourWrites there = open(builder -> builder);
    Session writer = here.session();
    cluster.replica(1).pauseReplay();
    here.write(writer, tx -> rename(tx, 1, "told"));

    Map<String, String> headers =
        TokenCarrier.of(here, TOKENS)
            .onto(Map.of("trace", "t1", "consistency-token", "an older one"), writer);
    Session reader = TokenCarrier.of(there, TOKENS).session(headers);

    assertThat(headers).containsOnlyKeys("trace", TokenCarrier.HEADER);
    assertThat(seen(there, reader, 1)).isEqualTo("told");
    assertThat(reason(reader)).isEqualTo(Reason.PRIMARY_NONE_CAUGHT_UP);
    assertThat(TokenCarrier.of(here, TOKENS).onto(Map.of("a", "b"), here.session()))
        .isEqualTo(Map.of("a", "b"));
  }

  @Test
  void call_takesTheTokenThere_andBringsBackWhatWasWrittenThere() throws Exception {
    ReadYourWrites here = open(builder -> builder);
    ReadYourWrites there = open(builder -> builder);
    TokenCarrier toThere = TokenCarrier.of(here, TOKENS);
    TokenCarrier atThere = TokenCarrier.of(there, TOKENS);
    cluster.replica(1).awaitCaughtUp();
    HttpServer service =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    service.createContext(
        "/",
        exchange -> {
          Session session = there.session();
          List<String> came = requireNonNull(exchange.getRequestHeaders().get(TokenCarrier.HEADER));
          assertThat(atThere.join(session, came)).isEqualTo(Outcome.JOINED);
          byte[] seen = seen(there, session, 2).getBytes(java.nio.charset.StandardCharsets.UTF_8);
          there.write(session, tx -> rename(tx, 2, "answered"));
          exchange
              .getResponseHeaders()
              .set("consistency-token", atThere.text(session).orElseThrow());
          exchange.sendResponseHeaders(200, seen.length);
          exchange.getResponseBody().write(seen);
          exchange.close();
        });
    service.start();
    try {
      Session session = here.session();
      here.write(session, tx -> rename(tx, 2, "asked"));
      cluster.replica(1).awaitCaughtUp();
      cluster.replica(1).pauseReplay();
      URI uri = URI.create("http://localhost:" + service.getAddress().getPort() + "/");

      HttpResponse<String> answer =
          HttpClient.newHttpClient()
              .send(
                  toThere
                      .onto(
                          HttpRequest.newBuilder(uri).header(TokenCarrier.HEADER, "older"), session)
                      .build(),
                  HttpResponse.BodyHandlers.ofString());
      Outcome outcome = toThere.join(session, answer);

      assertThat(answer.body()).isEqualTo("asked");
      assertThat(outcome).isEqualTo(Outcome.JOINED);
      assertThat(seen(here, session, 2)).isEqualTo("answered");
    } finally {
      service.stop(0);
    }
  }

  @Test
  void tokenThatCannotBeRead_sendsTheSessionToThePrimaryOnce_andIsCounted() throws Exception {
    ReadYourWrites db = open(builder -> builder);
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    TokenCarrier carrier = TokenCarrier.builder(db, TOKENS).meterRegistry(registry).build();
    String good = TOKENS.write(ConsistencyToken.of(new CommitPosition(clusterId(db), 1, 1)));
    String foreign = TOKENS.write(ConsistencyToken.of(new CommitPosition(42, 1, 1)));
    String forged = tokens(2).write(ConsistencyToken.of(new CommitPosition(clusterId(db), 1, 1)));

    assertThat(carrier.join(db.session(), List.of())).isEqualTo(Outcome.NONE);
    assertThat(carrier.join(db.session(), List.of(good, good))).isEqualTo(Outcome.JOINED);
    for (String bad : List.of(foreign, forged, "", good + "A", good.substring(1))) {
      Session session = db.session();
      assertThat(carrier.join(session, List.of(good, bad, good)))
          .isEqualTo(bad.equals(foreign) ? Outcome.FOREIGN : Outcome.INVALID);
      seen(db, session, 3);
      assertThat(reason(session)).as(bad).isEqualTo(Reason.PRIMARY_TOKEN);
      // From here on it has a position of its own, that a replica comes to have.
      awaitReplica(db, session);
      Session next = db.session(db.token(session).orElseThrow());
      awaitReplica(db, next);
    }
    assertThat(count(registry, "joined")).isEqualTo(2 + 2 * 5);
    assertThat(count(registry, "foreign")).isEqualTo(1);
    assertThat(count(registry, "invalid")).isEqualTo(4);
    assertThat(count(registry, "expired")).isZero();
  }

  @Test
  void expiredToken_isSaidToBe() throws Exception {
    ReadYourWrites db = open(builder -> builder);
    ConsistencyTokens brief =
        ConsistencyTokens.of(KeyRing.of("k", new byte[32]), Duration.ofSeconds(1));
    TokenCarrier carrier = TokenCarrier.of(db, brief);
    String text = brief.write(ConsistencyToken.of(new CommitPosition(clusterId(db), 1, 1)));

    await()
        .atMost(Duration.ofSeconds(20))
        .until(() -> carrier.join(db.session(), List.of(text)) == Outcome.EXPIRED);

    Session session = carrier.session(Map.of("CONSISTENCY-TOKEN", text));
    seen(db, session, 3);
    assertThat(reason(session)).isEqualTo(Reason.PRIMARY_TOKEN);
  }

  private static void awaitReplica(ReadYourWrites db, Session session) {
    await()
        .atMost(Duration.ofSeconds(20))
        .until(
            () -> {
              seen(db, session, 3);
              return reason(session).isReplica();
            });
  }

  private static double count(SimpleMeterRegistry registry, String outcome) {
    return registry.get("pgbelay.routing.tokens").tag("outcome", outcome).counter().count();
  }

  private static long clusterId(ReadYourWrites db) {
    return db.nodes().get(0).position().orElseThrow().systemIdentifier();
  }

  @Test
  void tokenOfASessionThatCouldNotBeTold_seesWhatThePrimaryHasNow() {
    ReadYourWrites db = open(builder -> builder);
    cluster.replica(1).pauseReplay();
    db.write(db.session(), tx -> rename(tx, 4, "before"));

    ConsistencyToken token = db.token(db.sessionOnPrimary()).orElseThrow();
    Session next = db.session(token);

    assertThat(token.position().lsn()).isNotEqualTo(-1L);
    assertThat(seen(db, next, 4)).isEqualTo("before");
    cluster.replica(1).resumeReplay();
    awaitReplica(db, next);
  }

  @Test
  void readThatIsNotToWait_hasATokenAllTheSame() {
    ReadYourWrites db = open(builder -> builder.maxWait(Duration.ZERO));
    Session session = db.session();
    seen(db, session, 5);

    ConsistencyToken token = db.token(session).orElseThrow();

    assertThat(token.position().lsn()).isNotEqualTo(-1L);
    awaitReplica(db, db.session(token));
  }

  @Test
  void commitWithoutAnAnswer_itsTokenIsThePositionThatCoversIt_onceItIsKnown() throws Exception {
    try (FaultProxy proxy = FaultProxy.inFrontOf(cluster.primary())) {
      ReadYourWrites db =
          cluster.start(
              ReadYourWrites.builder(
                      cluster.node(
                          cluster.primary(),
                          proxy.jdbcUrl("postgres"),
                          cluster.primary().jdbcUrl()))
                  .replica(cluster.node(cluster.replica(1)))
                  .maxWait(Duration.ofSeconds(20)));
      Session session = db.session();
      db.write(session, tx -> rename(tx, 6, "first"));
      proxy.cutAfterCommit(1);
      assertThatThrownBy(() -> db.write(session, tx -> rename(tx, 6, "committed")))
          .isInstanceOf(OutcomeUnknownException.class);

      ConsistencyToken token = db.token(session).orElseThrow();

      assertThat(token.position().lsn()).isNotEqualTo(-1L);
      Session next = db.session(token);
      assertThat(seen(db, next, 6)).isEqualTo("committed");
      assertThat(reason(next).isReplica()).isTrue();
    }
  }

  @Test
  void tokenBeyondAllPositions_goesToThePrimaryWithoutWaiting() throws Exception {
    ReadYourWrites db = open(builder -> builder.maxWait(Duration.ofSeconds(20)));
    Session session = db.session(ConsistencyToken.of(new CommitPosition(clusterId(db), 1, -1L)));

    seen(db, session, 7);

    assertThat(reason(session)).isEqualTo(Reason.PRIMARY_POSITION_UNKNOWN);
    assertThat(session.lastDecision().orElseThrow().waited()).isZero();
  }

  @Test
  void headerThatIsNone_isRefused() {
    ReadYourWrites db = open(builder -> builder);

    assertThatThrownBy(() -> TokenCarrier.builder(db, TOKENS).header("a: b").build())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("header is \"a: b\"");
    assertThat(TokenCarrier.builder(db, TOKENS).header("X-Orders").build().header())
        .isEqualTo("X-Orders");
  }
}
