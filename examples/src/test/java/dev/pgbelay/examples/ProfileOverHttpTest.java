package dev.pgbelay.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresCluster;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class ProfileOverHttpTest {

  @Test
  void otherNode_givenTheCookie_showsWhatWasSaved() throws Exception {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    try (PostgresCluster cluster = PostgresCluster.builder().replicas(1).start()) {
      ProfileOverHttp.run(cluster, new PrintStream(printed, true, StandardCharsets.UTF_8));
    }

    assertThat(printed.toString(StandardCharsets.UTF_8).lines())
        .containsExactly(
            "saved Ada on node a",
            "node b without the cookie shows old",
            "node b with the cookie shows Ada");
  }
}
