package dev.pgbelay.servlet;

import static dev.pgbelay.servlet.ProfileNode.cookie;
import static dev.pgbelay.servlet.ProfileNode.setCookies;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.routing.ConsistencyToken;
import dev.pgbelay.routing.jdbc.RoutingDataSource;
import dev.pgbelay.routing.session.CaffeineSessionStore;
import dev.pgbelay.routing.session.SessionStore;
import dev.pgbelay.servlet.ReadYourWritesFilter.UnfitToken;
import dev.pgbelay.testing.PostgresCluster;
import jakarta.servlet.ServletException;
import java.net.http.HttpResponse;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Clients that carry nothing, and what a fail-over has lost. */
class ReadYourWritesFilterStoreTest {
  private PostgresCluster cluster;
  private final List<ProfileNode> nodes = new ArrayList<>();
  private final Shared shared = new Shared();

  /** As a cache or a table that all processes share would be. */
  private static final class Shared implements SessionStore {
    private final Map<String, ConsistencyToken> tokens = new ConcurrentHashMap<>();
    private volatile boolean broken;

    private void requireWhole() {
      if (broken) {
        throw new IllegalStateException("the store cannot be reached");
      }
    }

    @Override
    public Optional<ConsistencyToken> find(String owner) {
      requireWhole();
      return Optional.ofNullable(tokens.get(owner));
    }

    @Override
    public void raise(String owner, ConsistencyToken token) {
      requireWhole();
      tokens.merge(owner, token, ConsistencyToken::merge);
    }
  }

  @BeforeEach
  void start() throws SQLException {
    cluster = PostgresCluster.builder().replicas(1).start();
    execute("CREATE TABLE profile (id integer PRIMARY KEY, name text NOT NULL)");
    execute("INSERT INTO profile VALUES (1, 'old')");
    cluster.replica().awaitCaughtUp();
  }

  private void execute(String sql) throws SQLException {
    try (Connection connection = cluster.primary().connect();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  @AfterEach
  void stop() throws Exception {
    for (ProfileNode node : nodes) {
      node.close();
    }
    cluster.close();
  }

  private ProfileNode storing(SessionStore store) throws Exception {
    ProfileNode node =
        new ProfileNode(
            cluster,
            builder ->
                builder
                    .withoutCookie()
                    .store(store, request -> Optional.ofNullable(request.getHeader("X-User"))));
    nodes.add(node);
    return node;
  }

  private static HttpResponse<String> as(String user, ProfileNode node, ProfileNode.Page page)
      throws Exception {
    node.page = page;
    return node.send(node.request("/").header("X-User", user).build());
  }

  @Test
  void sharedStore_takesAWriteToTheOtherNode_andFailsSafely() throws Exception {
    ProfileNode here = storing(shared);
    ProfileNode there = storing(shared);
    cluster.replica().pauseReplay();

    HttpResponse<String> written =
        as("ann", here, (request, response) -> here.write(request, "new"));

    assertThat(written.headers().allValues("Set-Cookie")).isEmpty();
    assertThat(as("ann", there, there::show).body()).isEqualTo("new");
    assertThat(as("bob", there, there::show).body()).isEqualTo("old");

    // Also what came too late for a cookie.
    HttpResponse<String> late =
        as(
            "bob",
            here,
            (request, response) -> {
              response.flushBuffer();
              here.write(request, "late");
              response.getWriter().print("done");
            });
    assertThat(late.body()).isEqualTo("done");
    Awaitility.await().until(() -> as("bob", there, there::show).body().equals("late"));

    shared.broken = true;
    assertThat(as("bob", there, there::show).body()).isEqualTo("late");
    HttpResponse<String> unsaved =
        as("ann", here, (request, response) -> here.write(request, "unsaved"));
    assertThat(unsaved.statusCode()).isEqualTo(200);
    assertThat(here.count("pgbelay.routing.store.failed", "operation", "raise")).isEqualTo(1);
    assertThat(there.count("pgbelay.routing.store.failed", "operation", "find")).isEqualTo(1);
  }

  /** As a framework does that holds one connection for the whole request. */
  @Test
  void sharedStore_hasWhatAConnectionCommittedAfterTheResponse() throws Exception {
    ProfileNode here = storing(shared);
    ProfileNode there = storing(shared);
    cluster.replica().pauseReplay();

    HttpResponse<String> answer =
        as(
            "cyd",
            here,
            (request, response) -> {
              try (Connection connection = RoutingDataSource.of(here.db).getConnection();
                  Statement statement = connection.createStatement()) {
                connection.setAutoCommit(false);
                int ignored = statement.executeUpdate("UPDATE profile SET name = 'late'");
                response.flushBuffer();
                connection.commit();
              } catch (SQLException e) {
                throw new ServletException(e);
              }
            });

    assertThat(answer.statusCode()).isEqualTo(200);
    Awaitility.await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> as("cyd", there, there::show).body().equals("late"));
    assertThat(here.count("pgbelay.servlet.tokens", "state", "late")).isEqualTo(1);
  }

  @Test
  void storeOfTheProcess_servesAClientWithoutCookies() throws Exception {
    SessionStore[] store = new SessionStore[1];
    ProfileNode here =
        storing(
            new SessionStore() {
              @Override
              public Optional<ConsistencyToken> find(String owner) {
                return store[0].find(owner);
              }

              @Override
              public void raise(String owner, ConsistencyToken token) {
                store[0].raise(owner, token);
              }
            });
    store[0] = CaffeineSessionStore.builder(here.db).build();
    cluster.replica().pauseReplay();
    as("ann", here, (request, response) -> here.write(request, "new"));

    assertThat(as("ann", here, here::show).body()).isEqualTo("new");
    assertThat(as("bob", here, here::show).body()).isEqualTo("old");
  }

  @Test
  void tokenWhoseTimelineWasLeftBehind_isSaid_orRefusedByChoice() throws Exception {
    ProfileNode serving = new ProfileNode(cluster, builder -> {});
    nodes.add(serving);
    ProfileNode refusing =
        new ProfileNode(cluster, builder -> builder.unfitToken(UnfitToken.REFUSE));
    nodes.add(refusing);
    String before = cookie(serving.get((request, response) -> serving.write(request, "before")));
    assertThat(refusing.get(refusing::show, before).statusCode()).isEqualTo(200);
    cluster.replica().awaitCaughtUp();
    cluster.primary().crash();
    cluster.replica().promote();
    serving.get((request, response) -> serving.write(request, "after"));
    refusing.get((request, response) -> refusing.write(request, "after"));

    HttpResponse<String> served =
        serving.get(
            (request, response) -> {
              response.setHeader(
                  "X-Lost",
                  Boolean.toString(ReadYourWritesFilter.session(request).lost().isPresent()));
              serving.show(request, response);
            },
            before);
    HttpResponse<String> refused = refusing.get(refusing::show, before);

    assertThat(served.body()).isEqualTo("after");
    assertThat(served.headers().firstValue("X-Lost")).contains("true");
    assertThat(cookie(served)).isNotEqualTo(before);
    assertThat(serving.get(serving::show, cookie(served)).body()).isEqualTo("after");
    assertThat(refused.statusCode()).isEqualTo(409);
    assertThat(refused.body()).contains("\"title\":\"token lost\"");
    assertThat(setCookies(refused).get(0)).contains("Max-Age=0");
    assertThat(refusing.count("pgbelay.servlet.refusals", "problem", "token-lost")).isEqualTo(1);
  }
}
