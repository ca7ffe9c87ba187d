package dev.pgbelay.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetSocketAddress;
import java.sql.Connection;
import java.sql.DriverManager;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.opentest4j.TestAbortedException;
import org.testcontainers.DockerClientFactory;

class ModeTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private final String mode = System.getProperty("pgbelay.postgres.mode", "embedded");
  private final String major = System.getProperty("pgbelay.postgres.major", "18");

  @AfterEach
  void restoreProperties() {
    System.setProperty("pgbelay.postgres.mode", mode);
    System.setProperty("pgbelay.postgres.major", major);
    System.clearProperty("pgbelay.postgres.url");
    System.clearProperty("pgbelay.postgres.user");
  }

  private PostgresCluster external() {
    System.setProperty("pgbelay.postgres.mode", "external");
    String url = postgres.jdbcUrl();
    System.setProperty("pgbelay.postgres.url", url.substring(0, url.indexOf('?')));
    System.setProperty("pgbelay.postgres.user", "postgres");
    return PostgresCluster.builder().start();
  }

  @Test
  void externalServer_servesDatabasesAndProxies() throws Exception {
    try (PostgresCluster cluster = external();
        FaultProxy proxy = FaultProxy.inFrontOf(cluster.primary());
        Connection connection =
            DriverManager.getConnection(proxy.jdbcUrl(postgres.database().name()))) {
      assertThat(connection.isValid(1)).isTrue();
      assertThat(connection.getCatalog()).isEqualTo(postgres.database().name());
    }
  }

  @Test
  void externalServer_refusesControlsByName() {
    try (PostgresCluster cluster = external()) {
      PostgresNode node = cluster.primary();
      refuses("crash", node, PostgresNode::crash);
      refuses("promote", node, PostgresNode::promote);
      refuses("stop", node, PostgresNode::stop);
      refuses("restart", node, PostgresNode::restart);
      refuses("suspend", node, PostgresNode::suspend);
      refuses("configure", node, n -> n.configure("work_mem", "1MB"));
      refuses("pauseReplay", node, PostgresNode::pauseReplay);
    }
    assertThatThrownBy(() -> PostgresCluster.builder().replicas(1).start())
        .isInstanceOf(UnsupportedControlException.class)
        .hasMessageContaining("replicas")
        .hasMessageContaining("external");
  }

  private static void refuses(String control, PostgresNode node, Consumer<PostgresNode> call) {
    assertThatThrownBy(() -> call.accept(node))
        .isInstanceOf(UnsupportedControlException.class)
        .hasMessageContaining(control)
        .hasMessageContaining("mode external");
  }

  @Test
  void externalWithoutUrl_saysWhatIsMissing() {
    System.setProperty("pgbelay.postgres.mode", "external");
    assertThatThrownBy(() -> PostgresCluster.builder().start())
        .isInstanceOf(ClusterException.class)
        .hasMessageContaining("pgbelay.postgres.url");
  }

  @ParameterizedTest
  @ValueSource(strings = {"jdbc:mysql://h/d", "jdbc:postgresql:d", "jdbc:postgresql://h:1/"})
  void malformedUrl_isRefused(String url) {
    assertThatThrownBy(() -> new ExternalServer(url, null, null))
        .isInstanceOf(ClusterException.class)
        .hasMessageContaining("pgbelay.postgres.url");
  }

  @Test
  void urlWithParameters_keepsThem() {
    ExternalServer server =
        new ExternalServer("jdbc:postgresql://db.example/app?sslmode=require", "me", "p&w");
    assertThat(server.jdbcUrl(InetSocketAddress.createUnresolved("db.example", 5432), "other"))
        .isEqualTo(
            "jdbc:postgresql://db.example:5432/other?sslmode=require&user=me&password=p%26w");
  }

  @Test
  void dockerWithoutAnEngine_isSkippedWithTheReason() {
    Assumptions.assumeFalse(
        DockerClientFactory.instance().isDockerAvailable(), "a Docker engine answers here");
    System.setProperty("pgbelay.postgres.mode", "docker");
    assertThatThrownBy(() -> PostgresCluster.builder().start())
        .isInstanceOf(TestAbortedException.class)
        .hasMessageContaining("no Docker engine answers");
  }

  @Test
  void dockerEngine_servesADatabase() throws Exception {
    Assumptions.assumeTrue(
        DockerClientFactory.instance().isDockerAvailable(), "no Docker engine answers");
    System.setProperty("pgbelay.postgres.mode", "docker");
    try (PostgresCluster cluster = PostgresCluster.builder().start();
        Connection connection = cluster.primary().connect()) {
      assertThat(connection.isValid(1)).isTrue();
      assertThatThrownBy(cluster.primary()::crash).isInstanceOf(UnsupportedControlException.class);
    }
  }

  @Test
  void unknownMode_isRefused() {
    System.setProperty("pgbelay.postgres.mode", "cloud");
    assertThatThrownBy(() -> PostgresCluster.builder().start())
        .isInstanceOf(ClusterException.class)
        .hasMessageContaining("cloud");
  }

  @Test
  void otherMajorThanAskedFor_isRefused() {
    PostgresCluster.shared();
    System.setProperty("pgbelay.postgres.major", "99");
    assertThatThrownBy(() -> PostgresCluster.builder().start())
        .isInstanceOf(ClusterException.class)
        .hasMessageContaining("PostgreSQL " + major)
        .hasMessageContaining("asks for 99");
  }

  @Test
  void majorBelow15_isRefusedByNameWhetherAskedForOrFound() {
    System.setProperty("pgbelay.postgres.major", "14");
    assertThatThrownBy(() -> PostgresCluster.builder().start())
        .isInstanceOf(ClusterException.class)
        .hasMessageContaining("pgbelay.postgres.major=14")
        .hasMessageContaining("15 is the oldest");
    assertThatThrownBy(() -> PostgresCluster.requireMajor(14, null))
        .isInstanceOf(ClusterException.class)
        .hasMessageContaining("PostgreSQL 14 answers")
        .hasMessageContaining("15 is the oldest");
    PostgresCluster.requireMajor(15, null);
    System.setProperty("pgbelay.postgres.major", "newest");
    assertThatThrownBy(() -> PostgresCluster.builder().start())
        .isInstanceOf(ClusterException.class)
        .hasMessageContaining("newest");
  }
}
