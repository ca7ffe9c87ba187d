package dev.pgbelay.servlet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.Session;
import dev.pgbelay.routing.carrier.TokenCarrier;
import dev.pgbelay.testing.PostgresCluster;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.http.HttpServletRequest;
import java.net.http.HttpResponse;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** One service, two clusters, a filter for each. */
class SeveralClustersTest {
  private static PostgresCluster started() throws SQLException {
    PostgresCluster cluster = PostgresCluster.builder().replicas(1).start();
    try (Connection connection = cluster.primary().connect();
        Statement statement = connection.createStatement()) {
      statement.execute("CREATE TABLE profile (id integer PRIMARY KEY, name text NOT NULL)");
      statement.execute("INSERT INTO profile VALUES (1, 'old')");
    }
    cluster.replica().awaitCaughtUp();
    cluster.replica().pauseReplay();
    return cluster;
  }

  private static Filter filter(ReadYourWrites db) {
    return ReadYourWritesFilter.builder(
            TokenCarrier.of(db, ProfileNode.tokens(2, ProfileNode.TOKENS_LIVE)))
        .cookie(TokenCookie.of("second"))
        .build();
  }

  private static String name(ReadYourWrites db, HttpServletRequest request) {
    Session session = ReadYourWritesFilter.session(request, db);
    return db.read(
        session,
        tx -> String.valueOf(tx.dsl().fetchValue("SELECT name FROM profile WHERE id = 1")));
  }

  private static int rename(ReadYourWrites db, HttpServletRequest request, String name) {
    Session session = ReadYourWritesFilter.session(request, db);
    return db.write(session, tx -> tx.dsl().execute("UPDATE profile SET name = ?", name));
  }

  @Test
  void eachCluster_hasItsOwnSessionAndCookie() throws Exception {
    try (PostgresCluster one = started();
        PostgresCluster two = started();
        ProfileNode elsewhere = new ProfileNode(two, builder -> {});
        ProfileNode here =
            new ProfileNode(
                one,
                builder -> {},
                Set.of(DispatcherType.REQUEST),
                1,
                List.of(filter(elsewhere.db)))) {
      HttpResponse<String> written =
          here.get(
              (request, response) -> {
                int ignored = rename(here.db, request, "new in one");
                ignored += rename(elsewhere.db, request, "new in two");
                response.getWriter().print("done");
                response.flushBuffer();
              });
      List<String> cookies =
          written.headers().allValues("Set-Cookie").stream()
              .map(line -> line.substring(0, line.indexOf(';')))
              .toList();
      String seen =
          here.get(
                  (request, response) -> {
                    assertThatThrownBy(() -> ReadYourWritesFilter.session(request))
                        .isInstanceOf(PgBelayException.class)
                        .hasMessageContaining("sessions of 2 clusters");
                    response
                        .getWriter()
                        .print(name(here.db, request) + ", " + name(elsewhere.db, request));
                  },
                  cookies.toArray(String[]::new))
              .body();

      assertThat(cookies)
          .hasSize(2)
          .anyMatch(line -> line.startsWith("consistency="))
          .anyMatch(line -> line.startsWith("second="));
      assertThat(seen).isEqualTo("new in one, new in two");
    }
  }
}
