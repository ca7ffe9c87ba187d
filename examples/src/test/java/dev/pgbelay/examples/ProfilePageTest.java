package dev.pgbelay.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresCluster;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class ProfilePageTest {

  @Test
  void page_showsWhatWasSavedAMomentAgo() {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    try (PostgresCluster cluster = PostgresCluster.builder().replicas(1).start()) {
      ProfilePage.run(cluster, new PrintStream(printed, true, StandardCharsets.UTF_8));
    }

    assertThat(printed.toString(StandardCharsets.UTF_8).lines())
        .containsExactly(
            "naive: saved Ada, the page shows old",
            "safe:  saved Grace, the page shows Grace",
            "safe:  read from the primary");
  }
}
