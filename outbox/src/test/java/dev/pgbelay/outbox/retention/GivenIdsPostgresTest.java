package dev.pgbelay.outbox.retention;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.batch.chunk.ChunkReport;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.outbox.NewMessage;
import dev.pgbelay.outbox.Outbox.Appended.Outcome;
import dev.pgbelay.outbox.OutboxFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Given ids are forgotten when they are old, and not before. */
class GivenIdsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withTemplate(
              dataSource ->
                  SchemaInstaller.builder(dataSource).modules("batch", "outbox").build().install());

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());

  @Test
  void oldIds_areForgottenAndYoungOnesAreNot() {
    fixture.appendAll(IntStream.range(0, 1_500).mapToObj(i -> named(i)).toList());
    fixture.dsl.execute(
        "update pgbelay.outbox_message_id set appended_at = appended_at - interval '8 days'"
            + " where message_id <> 'id 7'");
    ChunkReport report = GivenIds.purge(fixture.transactions, Duration.ofDays(7)).build().run();
    assertThat(report.outcome()).isEqualTo(ChunkReport.Outcome.DONE);
    assertThat(report.rows()).isEqualTo(1_499);
    assertThat(fixture.append(named(7)).outcome()).isEqualTo(Outcome.DUPLICATE);
    assertThat(fixture.append(named(8)).outcome()).isEqualTo(Outcome.APPENDED);
    assertThat(GivenIds.purge(fixture.transactions, Duration.ofDays(7)).build().run().rows())
        .isZero();
  }

  private NewMessage named(int number) {
    return fixture.message("p" + number).withMessageId("id " + number);
  }
}
