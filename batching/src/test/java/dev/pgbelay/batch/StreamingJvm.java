package dev.pgbelay.batch;

import static dev.pgbelay.batch.BatchSchema.items;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.batch.BatchSchema.Item;
import dev.pgbelay.core.Transactions;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** A JVM with a small heap that writes a long stream; its rows are made as they are asked for. */
final class StreamingJvm {
  private StreamingJvm() {}

  /** Arguments: URL, way, rows. */
  public static void main(String[] args) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(args[0]);
    config.setMaximumPoolSize(1);
    int rows = Integer.parseInt(args[2]);
    // A prime that the number of rows is no multiple of: each key once, in no order.
    Stream<Item> shuffled =
        IntStream.range(0, rows).mapToObj(i -> BatchSchema.item((int) (i * 7_919L % rows)));
    BatchWriter<Item> writer = items().build();
    try (HikariDataSource pool = new HikariDataSource(config)) {
      Transactions transactions = Transactions.of(pool);
      BatchResult result =
          switch (args[1]) {
            case "insert" -> transactions.run(tx -> writer.insert(tx, shuffled));
            case "upsert" -> transactions.run(tx -> writer.upsert(tx, shuffled));
            case "collected" -> {
              List<Item> collected = shuffled.toList();
              yield transactions.run(tx -> writer.insert(tx, collected));
            }
            default -> throw new IllegalArgumentException(args[1]);
          };
      System.out.println(result.path() + " " + result.written());
    }
  }
}
