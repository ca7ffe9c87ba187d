package dev.pgbelay.servlet;

import static dev.pgbelay.servlet.ProfileNode.cookie;
import static dev.pgbelay.servlet.ProfileNode.setCookies;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.routing.ConsistencyToken;
import dev.pgbelay.routing.ConsistencyTokens;
import dev.pgbelay.routing.ReadOptions;
import dev.pgbelay.routing.carrier.TokenCarrier;
import dev.pgbelay.routing.jdbc.ScopedSession;
import dev.pgbelay.servlet.ReadYourWritesFilter.UnfitToken;
import dev.pgbelay.testing.PostgresCluster;
import jakarta.servlet.AsyncContext;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.Cookie;
import jakarta.servlet.http.HttpServletRequest;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Two processes of one service, real HTTP between them and their clients, and a replica behind. */
class ReadYourWritesFilterTest {
  private static PostgresCluster cluster;

  private final List<ProfileNode> nodes = new ArrayList<>();

  @BeforeAll
  static void start() throws SQLException {
    cluster = PostgresCluster.builder().replicas(1).start();
    try (Connection connection = cluster.primary().connect();
        Statement statement = connection.createStatement()) {
      statement.execute("CREATE TABLE profile (id integer PRIMARY KEY, name text NOT NULL)");
      statement.execute("INSERT INTO profile VALUES (1, 'old')");
    }
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  /** The replica stays where the name is old. */
  @BeforeEach
  void leaveTheReplicaBehind() throws SQLException {
    try (Connection connection = cluster.primary().connect();
        Statement statement = connection.createStatement()) {
      statement.execute("UPDATE profile SET name = 'old' WHERE id = 1");
    }
    cluster.replica().awaitCaughtUp();
    cluster.replica().pauseReplay();
  }

  @AfterEach
  void endTest() throws Exception {
    for (ProfileNode node : nodes) {
      node.close();
    }
    cluster.replica().resumeReplay();
  }

  private ProfileNode node(Consumer<ReadYourWritesFilter.Builder> options) throws Exception {
    return kept(new ProfileNode(cluster, options));
  }

  private ProfileNode node() throws Exception {
    return node(builder -> {});
  }

  private ProfileNode kept(ProfileNode node) {
    nodes.add(node);
    return node;
  }

  private static void assertSeen(ProfileNode there, HttpResponse<?> answer, String name)
      throws Exception {
    assertThat(there.get(there::show, cookie(answer)).body()).isEqualTo(name);
  }

  @Test
  void writeOnOneNode_isSeenOnTheOther_byTheCookie() throws Exception {
    ProfileNode here = node();
    ProfileNode there = node();

    HttpResponse<String> written = here.get((request, response) -> here.write(request, "new"));

    assertThat(setCookies(written).get(0))
        .matches(
            "consistency=[A-Za-z0-9_-]{40,80}; Path=/; Max-Age=3600; SameSite=Lax; Secure;"
                + " HttpOnly");
    assertSeen(there, written, "new");
    assertThat(there.get(there::show).body()).isEqualTo("old");
    assertThat(here.count("pgbelay.servlet.tokens", "state", "sent")).isEqualTo(1);
    assertThat(there.count("pgbelay.routing.tokens", "outcome", "joined")).isEqualTo(1);
  }

  @Test
  void whatWasSeenOnOneNode_isSeenOnTheOther() throws Exception {
    ProfileNode here = node();
    ProfileNode there = node();
    here.db.write(
        here.db.session(), tx -> tx.dsl().execute("UPDATE profile SET name = 'by another'"));

    HttpResponse<String> seen =
        here.get(
            (request, response) ->
                here.db.readPrimary(
                    ReadYourWritesFilter.session(request), ReadOptions.defaults(), tx -> 1));

    assertSeen(there, seen, "by another");
  }

  @Test
  void requestThatSawNothingNew_getsNoCookie() throws Exception {
    ProfileNode here = node();

    HttpResponse<String> nothing = here.get();
    HttpResponse<String> written = here.get((request, response) -> here.write(request, "new"));
    HttpResponse<String> again = here.get((request, response) -> {}, cookie(written));

    assertThat(setCookies(nothing)).isEmpty();
    assertThat(setCookies(again)).isEmpty();
  }

  /** So that it answers whoever brings an older token alone. */
  private static void theReplicaHasSoFar() {
    cluster.replica().resumeReplay();
    cluster.replica().awaitCaughtUp();
    cluster.replica().pauseReplay();
  }

  @Test
  void severalCookiesOfOneName_areMerged() throws Exception {
    ProfileNode here = node();
    ProfileNode there = node();
    String first = cookie(here.get((request, response) -> here.write(request, "first")));
    theReplicaHasSoFar();
    String second = cookie(here.get((request, response) -> here.write(request, "second")));

    assertThat(there.get(there::show, first, "other=1", second).body()).isEqualTo("second");
    assertThat(there.get(there::show, second, first).body()).isEqualTo("second");
  }

  @Test
  void header_carriesTheToken_andSeveralAreMerged() throws Exception {
    ProfileNode here = node(builder -> builder.withoutCookie().header());
    ProfileNode there = node(builder -> builder.withoutCookie().header());
    here.page = (request, response) -> here.write(request, request.getHeader("X-Name"));
    there.page = there::show;
    String one = headerOf(here, "one");
    theReplicaHasSoFar();
    String two = headerOf(here, "two");

    HttpResponse<String> seen =
        there.send(
            there
                .request("/")
                .header(TokenCarrier.HEADER, one)
                .header(TokenCarrier.HEADER, two)
                .build());

    assertThat(seen.body()).isEqualTo("two");
    assertThat(seen.headers().allValues("Set-Cookie")).isEmpty();
    HttpResponse<String> written =
        there.get(
            (request, response) -> {
              there.write(request, "first");
              response.getWriter().print("1");
              there.write(request, "second");
              response.getWriter().print("2");
            });
    assertThat(written.headers().allValues(TokenCarrier.HEADER)).hasSize(1);
  }

  private static String headerOf(ProfileNode node, String name) throws Exception {
    HttpResponse<String> answer = node.send(node.request("/").header("X-Name", name).build());
    assertThat(answer.headers().allValues("Set-Cookie")).isEmpty();
    return answer.headers().firstValue(TokenCarrier.HEADER).orElseThrow();
  }

  @Test
  void unfitToken_isServedFromThePrimary_andReplaced() throws Exception {
    ProfileNode here = node();
    here.get((request, response) -> here.write(request, "new"));

    for (String unfit : unfit(here)) {
      HttpResponse<String> served = here.get(here::show, unfit);
      assertThat(served.body()).as(unfit).isEqualTo("new");
      assertThat(served.headers().firstValue("X-Reason")).contains("PRIMARY_TOKEN");
      assertSeen(here, served, "new");
    }
  }

  /** Of another key, of another cluster, nonsense. */
  private static List<String> unfit(ProfileNode node) {
    ConsistencyTokens good = ProfileNode.tokens(1, ProfileNode.TOKENS_LIVE);
    long cluster = node.db.nodes().get(0).position().orElseThrow().systemIdentifier();
    ConsistencyToken token = ConsistencyToken.of(new CommitPosition(cluster, 1, 1));
    return List.of(
        "consistency=" + ProfileNode.tokens(2, ProfileNode.TOKENS_LIVE).write(token),
        "consistency=" + good.write(ConsistencyToken.of(new CommitPosition(7, 1, 1))),
        "consistency=nonsense");
  }

  @Test
  void unfitToken_isRefusedByChoice_withAProblem_andTakenBack() throws Exception {
    ProfileNode here = node(builder -> builder.unfitToken(UnfitToken.REFUSE));
    List<String> titles = List.of("token invalid", "token foreign", "token invalid");
    here.page = here::show;

    for (int i = 0; i < titles.size(); i++) {
      HttpResponse<String> refused = here.get(unfit(here).get(i));
      assertThat(refused.statusCode()).isEqualTo(400);
      assertThat(refused.headers().firstValue("Content-Type")).contains("application/problem+json");
      assertThat(refused.body()).contains("\"title\":\"" + titles.get(i) + "\"");
      assertThat(setCookies(refused).get(0)).startsWith("consistency=; Path=/; Max-Age=0;");
    }
    assertThat(here.get().statusCode()).isEqualTo(200);
    assertThat(here.count("pgbelay.servlet.refusals", "problem", "token-invalid")).isEqualTo(2);
    assertThat(here.count("pgbelay.servlet.refusals", "problem", "token-foreign")).isEqualTo(1);
    assertThat(here.count("pgbelay.routing.tokens", "outcome", "invalid")).isEqualTo(2);
    assertThat(here.count("pgbelay.routing.tokens", "outcome", "foreign")).isEqualTo(1);
  }

  @Test
  void expiredToken_isRefusedByChoice() throws Exception {
    ProfileNode here = node(builder -> builder.unfitToken(UnfitToken.REFUSE));
    here.page = here::show;
    long cluster = here.db.nodes().get(0).position().orElseThrow().systemIdentifier();
    String text =
        ProfileNode.tokens(1, Duration.ofSeconds(1))
            .write(ConsistencyToken.of(new CommitPosition(cluster, 1, 1)));

    await()
        .atMost(Duration.ofSeconds(20))
        .until(() -> here.get("consistency=" + text).statusCode() == 400);

    assertThat(here.get("consistency=" + text).body()).contains("\"title\":\"token expired\"");
    assertThat(here.count("pgbelay.routing.tokens", "outcome", "expired")).isEqualTo(2);
  }

  @Test
  void redirectAndError_carryTheToken() throws Exception {
    ProfileNode here = node();

    HttpResponse<String> redirected =
        here.get(
            (request, response) -> {
              here.write(request, "redirected");
              response.sendRedirect("/elsewhere");
            });
    assertThat(redirected.statusCode()).isEqualTo(302);
    assertSeen(here, redirected, "redirected");

    HttpResponse<String> refused =
        here.get(
            (request, response) -> {
              here.write(request, "refused");
              response.sendError(409, "conflict");
            });
    assertThat(refused.statusCode()).isEqualTo(409);
    assertSeen(here, refused, "refused");

    HttpResponse<String> failed =
        here.get(
            (request, response) -> {
              here.write(request, "failed");
              throw new ServletException("after the write");
            });
    assertThat(failed.statusCode()).isEqualTo(500);
    assertSeen(here, failed, "failed");
  }

  @Test
  void redirectAndError_carryTheToken_whereRequestsAloneAreFiltered() throws Exception {
    ProfileNode here =
        kept(new ProfileNode(cluster, builder -> {}, EnumSet.of(DispatcherType.REQUEST), 1));

    HttpResponse<String> refused =
        here.get(
            (request, response) -> {
              here.write(request, "refused");
              response.sendError(409);
            });

    assertSeen(here, refused, "refused");
  }

  @Test
  void filterThatIsThereTwice_setsOneCookie_andKeepsThoseOfTheService() throws Exception {
    ProfileNode here =
        kept(new ProfileNode(cluster, builder -> {}, Set.of(DispatcherType.REQUEST), 2));

    HttpResponse<String> answer =
        here.get(
            (request, response) -> {
              response.addCookie(new Cookie("theirs", "1"));
              here.write(request, "first");
              response.getWriter().print("a");
              response.addCookie(new Cookie("consistency2", "2"));
              here.write(request, "second");
              response.getWriter().print("b");
            });

    assertThat(answer.headers().allValues("Set-Cookie"))
        .hasSize(3)
        .anyMatch(line -> line.startsWith("theirs=1"))
        .anyMatch(line -> line.startsWith("consistency2=2"));
    assertSeen(here, answer, "second");
    assertThat(answer.body()).isEqualTo("ab");
  }

  @Test
  void tokenIsThere_whateverCommitsTheResponse() throws Exception {
    ProfileNode here = node();
    List<ProfileNode.Page> ways =
        List.of(
            (request, response) -> response.setStatus(204),
            (request, response) -> response.flushBuffer(),
            (request, response) -> response.getOutputStream().write(new byte[100_000]),
            (request, response) -> response.getOutputStream().write(7),
            (request, response) -> response.getOutputStream().print("text"),
            (request, response) -> response.getOutputStream().flush(),
            (request, response) -> response.getOutputStream().close(),
            (request, response) -> response.getWriter().write("x".repeat(100_000)),
            (request, response) -> response.getWriter().write("xy".toCharArray()),
            (request, response) -> response.getWriter().flush(),
            (request, response) -> response.getWriter().close(),
            (request, response) -> {
              response.setContentLength(2);
              response.getWriter().println("xy");
              response.flushBuffer();
            });
    for (int i = 0; i < ways.size(); i++) {
      ProfileNode.Page way = ways.get(i);
      String name = "way " + i;
      HttpResponse<String> answer =
          here.get(
              (request, response) -> {
                here.write(request, name);
                way.serve(request, response);
              });
      assertSeen(here, answer, name);
    }
    assertThat(here.count("pgbelay.servlet.tokens", "state", "late")).isZero();
  }

  @Test
  void serviceThatSetsItsCookiesAnew_doesNotTakeTheTokenAway() throws Exception {
    ProfileNode here = node(builder -> builder.header());
    List<ProfileNode.Page> ways =
        List.of(
            (request, response) -> response.setHeader("set-cookie", "theirs=1"),
            (request, response) -> response.setHeader("Consistency-Token", "theirs"));
    for (int i = 0; i < ways.size(); i++) {
      ProfileNode.Page way = ways.get(i);
      String name = "kept " + i;
      HttpResponse<String> answer =
          here.get(
              (request, response) -> {
                here.write(request, name);
                response.getWriter().print("a");
                way.serve(request, response);
              });
      assertSeen(here, answer, name);
      assertThat(answer.headers().allValues("Consistency-Token")).hasSize(1);
      assertThat(cookie(answer))
          .isEqualTo("consistency=" + answer.headers().allValues("Consistency-Token").get(0));
    }
  }

  @Test
  void responseThatIsReset_hasTheTokenAgain() throws Exception {
    ProfileNode here = node();

    HttpResponse<String> answer =
        here.get(
            (request, response) -> {
              here.write(request, "reset");
              response.getWriter().print("half");
              response.reset();
              response.getWriter().print("whole");
            });

    assertThat(answer.body()).isEqualTo("whole");
    assertSeen(here, answer, "reset");
  }

  @Test
  void writeAfterTheResponseWasCommitted_isCountedAsLate() throws Exception {
    ProfileNode here = node();

    HttpResponse<String> answer =
        here.get(
            (request, response) -> {
              response.flushBuffer();
              here.write(request, "late");
            });

    assertThat(setCookies(answer)).isEmpty();
    await()
        .atMost(Duration.ofSeconds(20))
        .until(() -> here.count("pgbelay.servlet.tokens", "state", "late") == 1);
  }

  @Test
  void asynchronousRequest_carriesTheToken() throws Exception {
    ProfileNode here = node();
    List<Consumer<AsyncContext>> ends =
        List.of(
            AsyncContext::complete,
            async -> {
              try {
                async.getResponse().getWriter().print("done");
              } catch (IOException e) {
                throw new IllegalStateException(e);
              }
              async.complete();
            });
    for (int i = 0; i < ends.size(); i++) {
      Consumer<AsyncContext> end = ends.get(i);
      String name = "async " + i;
      HttpResponse<String> answer =
          here.get(
              (request, response) -> {
                AsyncContext async = request.startAsync();
                async.start(
                    () -> {
                      here.write((HttpServletRequest) async.getRequest(), name);
                      end.accept(request.getAsyncContext());
                    });
              });
      assertSeen(here, answer, name);
    }
  }

  @Test
  void asynchronousRequest_thatIsDispatchedAgain_carriesTheToken() throws Exception {
    ProfileNode here = node();

    HttpResponse<String> answer =
        here.get(
            (request, response) -> {
              if (request.getDispatcherType() == DispatcherType.ASYNC) {
                here.write(request, "dispatched");
              } else {
                request.startAsync(request, response).dispatch();
              }
            });

    assertThat(answer.statusCode()).isEqualTo(200);
    assertSeen(here, answer, "dispatched");
  }

  @Test
  void pageOfErrors_thatReads_carriesTheToken() throws Exception {
    ProfileNode here = node();
    ProfileNode.Page page =
        (request, response) -> {
          if (request.getDispatcherType() == DispatcherType.ERROR) {
            here.show(request, response);
          } else {
            here.write(request, "shown by the page");
            response.sendError(418);
          }
        };
    here.mapErrors();

    HttpResponse<String> answer = here.get(page);

    assertThat(answer.body()).isEqualTo("shown by the page");
    assertSeen(here, answer, "shown by the page");
  }

  @Test
  void sessionOfTheRequest_isTheOneOfItsThread_alsoWhenItIsDispatchedAgain() throws Exception {
    ProfileNode here = node();
    List<Boolean> same = new CopyOnWriteArrayList<>();

    HttpResponse<String> answer =
        here.get(
            (request, response) -> {
              same.add(
                  ScopedSession.current(here.db)
                      .filter(session -> session == ReadYourWritesFilter.session(request))
                      .isPresent());
              if (request.getDispatcherType() == DispatcherType.REQUEST) {
                request.startAsync().dispatch();
              }
            });

    assertThat(answer.statusCode()).isEqualTo(200);
    assertThat(same).containsExactly(true, true);
  }

  @Test
  void requestWithoutTheFilter_hasNoSession() throws Exception {
    ProfileNode here =
        kept(new ProfileNode(cluster, builder -> {}, Set.of(DispatcherType.INCLUDE), 1));
    List<Throwable> thrown = new ArrayList<>();
    here.get(
        (request, response) -> {
          try {
            ReadYourWritesFilter.session(request);
          } catch (PgBelayException e) {
            thrown.add(e);
          }
        });

    assertThat(thrown).hasSize(1);
    assertThat(thrown.get(0)).hasMessageContaining("mapped to its path");
  }

  @Test
  void filterWithoutAWayForTokens_isRefused() {
    assertThatThrownBy(() -> node(builder -> builder.withoutCookie()))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("cookie nor a header nor a store");
  }
}
