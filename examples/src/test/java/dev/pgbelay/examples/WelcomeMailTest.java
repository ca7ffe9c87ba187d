package dev.pgbelay.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(PostgresExtension.class)
class WelcomeMailTest {

  @Test
  void run_sendsOneMailPerAccountThatExists(DataSource dataSource) throws Exception {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();

    new WelcomeMail(dataSource).run(new PrintStream(printed, true, StandardCharsets.UTF_8));

    assertThat(printed.toString(StandardCharsets.UTF_8).lines())
        .containsExactly(
            "naive: 2 mails for 1 account", "safe:  1 mail for 1 account, sent at attempt 2");
  }
}
