package dev.pgbelay.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(PostgresExtension.class)
class BatchingExamplesTest {

  @Test
  void batchWriter_writesTheGoodRowsAndNamesTheBadOne_whereTheBatchWritesNothing(
      DataSource dataSource) {
    assertThat(printed(new BatchWriterExample(dataSource)::run))
        .containsExactly(
            "naive: 0 rows written, one bad row among them",
            "safe:  999 rows written",
            "       row 416 refused: 23514");
  }

  @Test
  void writeCoalescer_writesInFewTransactionsWhatTookOneEach(DataSource dataSource) {
    assertThat(printed(new WriteCoalescerExample(dataSource)::run))
        .containsExactly(
            "naive: 500 rows in 500 transactions", "safe:  500 rows in few transactions: true");
  }

  @Test
  void chunkedJob_purgesInChunksWhatTookOneTransaction(DataSource dataSource) {
    assertThat(printed(new ChunkedJobExample(dataSource)::run))
        .containsExactly(
            "naive: 5000 rows in 1 transaction, 5000 left",
            "safe:  5000 rows, DONE, 5000 left",
            "in chunks of 500 to 1,000 rows: true");
  }

  private static Stream<String> printed(Consumer<PrintStream> example) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    example.accept(new PrintStream(bytes, true, StandardCharsets.UTF_8));
    return bytes.toString(StandardCharsets.UTF_8).lines();
  }
}
