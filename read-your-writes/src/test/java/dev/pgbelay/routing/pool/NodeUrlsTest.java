package dev.pgbelay.routing.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import java.util.Map;
import org.junit.jupiter.api.Test;

class NodeUrlsTest {
  private static void assertRefused(Runnable run, String rule) {
    assertThatThrownBy(run::run).isInstanceOf(PgBelayException.class).hasMessageContaining(rule);
  }

  @Test
  void urlOfSeveralHosts_isAUrlForEach_withoutTheDriversChoosing() {
    Map<String, String> urls =
        NodeUrls.split(
            "jdbc:postgresql://Db1,10.0.0.2:6432,[::1]:7432/app?targetServerType=primary"
                + "&sslmode=require&loadBalanceHosts=true&hostRecheckSeconds=5&ApplicationName=x");

    assertThat(urls)
        .containsExactly(
            Map.entry(
                "db1-5432", "jdbc:postgresql://Db1:5432/app?sslmode=require&ApplicationName=x"),
            Map.entry(
                "node-10.0.0.2-6432",
                "jdbc:postgresql://10.0.0.2:6432/app?sslmode=require&ApplicationName=x"),
            Map.entry(
                "node-1--7432",
                "jdbc:postgresql://[::1]:7432/app?sslmode=require&ApplicationName=x"));
  }

  @Test
  void longHosts_haveShortNamesThatDiffer() {
    String end = ".c9akciq32.eu-central-1.rds.amazonaws.com";
    Map<String, String> urls =
        NodeUrls.split("jdbc:postgresql://orders" + end + ",orders.other" + end + "/app");

    assertThat(urls.keySet()).containsExactly("orders-5432", "orders-5432-2");
    assertThat(NodeUrls.split("jdbc:postgresql://" + "h".repeat(60) + ":5433/app").keySet())
        .containsExactly("h".repeat(31) + "-5433");
  }

  @Test
  void urlWithoutOptionsOrDatabase_isTakenAsItIs() {
    assertThat(NodeUrls.split("jdbc:postgresql://a,b").values())
        .containsExactly("jdbc:postgresql://a:5432", "jdbc:postgresql://b:5432");
    assertThat(NodeUrls.split("jdbc:postgresql://a/app?targetServerType=any").values())
        .containsExactly("jdbc:postgresql://a:5432/app");
    assertThat(NodeUrls.single("one", "jdbc:postgresql://a/app?ssl=true"))
        .isEqualTo("jdbc:postgresql://a:5432/app?ssl=true");
  }

  @Test
  void urlThatDoesNotFit_isRefusedByName() {
    assertRefused(
        () -> NodeUrls.single("one", "jdbc:postgresql://a,b/app"), "node 'one' names 2 hosts");
    assertRefused(
        () -> NodeUrls.single("one", "jdbc:postgresql://a/app?TargetServerType=secondary"),
        "node 'one' has TargetServerType=secondary");
    assertRefused(() -> NodeUrls.split("jdbc:mysql://a/app"), "jdbc:postgresql://");
    assertRefused(() -> NodeUrls.split("jdbc:postgresql:app"), "jdbc:postgresql://");
    assertRefused(() -> NodeUrls.split("jdbc:postgresql://a,,b/app"), "empty host");
    assertRefused(() -> NodeUrls.split("jdbc:postgresql:///app"), "empty host");
    assertRefused(() -> NodeUrls.split("jdbc:postgresql://a,a:5432/app"), "a:5432 twice");
    assertRefused(
        () -> NodeUrls.split("jdbc:postgresql://a/app?user=me&password=secret"), "credentials");
    assertThatThrownBy(() -> NodeUrls.split("jdbc:postgresql://a/app?password=hush"))
        .message()
        .doesNotContain("hush");
  }
}
