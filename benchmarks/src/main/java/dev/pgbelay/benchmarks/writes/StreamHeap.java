package dev.pgbelay.benchmarks.writes;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.batch.BatchWriter;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.LiveHeap;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.benchmarks.Work;
import dev.pgbelay.core.Transactions;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.Iterator;
import java.util.Locale;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyIn;

/**
 * The JVM of one contestant that inserts a long stream of rows, which are made as they are asked
 * for; nine times on the way it looks at the live heap.
 */
final class StreamHeap {
  static final String LIVE_HEAP = "live-heap-mib";
  static final long ROWS = 1_000_000;
  static final String ANSWER = "@stream";
  private static final int LOOKS = 9;
  private static final OffsetDateTime START = OffsetDateTime.parse("2026-01-01T00:00:00Z");

  private StreamHeap() {}

  public static void main(String[] args) throws Exception {
    long count = Long.parseLong(args[2]);
    // A divisor that is no multiple of a chunk: looks fall at different places within chunks.
    long every = Math.max(1, count / LOOKS - 7);
    long[] peak = {0};
    Stream<Item> rows =
        LongStream.rangeClosed(1, count)
            .mapToObj(StreamHeap::item)
            .peek(
                item -> {
                  if (item.id() % every == 0) {
                    peak[0] = Math.max(peak[0], LiveHeap.bytes());
                  }
                });
    try (HikariDataSource pool = new HikariDataSource(BenchServer.poolConfig(args[1]))) {
      if (args[0].equals(Stage.LIMIT)) {
        copyText(pool, rows);
      } else {
        BatchWriter<Item> writer = PgbelayWrites.writer().build();
        Transactions.of(pool).run(tx -> writer.insert(tx, rows));
      }
      Work work = seen(pool);
      System.out.println(
          String.format(Locale.ROOT, "%s %d %d %d", ANSWER, work.rows(), work.checksum(), peak[0]));
    }
  }

  static Item item(long id) {
    return new Item(
        id,
        (int) (id * 7919 % 5000),
        (int) (id % 7),
        START.plusNanos(id * 1_003_000_000L),
        BigDecimal.valueOf(id * 7919 % 10_000_000, 2),
        "item number " + id + " of a long stream");
  }

  static Work expected(long count) {
    long checksum =
        LongStream.rangeClosed(1, count)
            .mapToObj(StreamHeap::item)
            .mapToLong(
                i ->
                    i.id()
                        + 7L * i.accountId()
                        + 31L * i.status()
                        + i.madeAt().toEpochSecond()
                        + i.amount().unscaledValue().longValue()
                        + i.name().length())
            .sum();
    return new Work(count, checksum);
  }

  private static Work seen(DataSource dataSource) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        PreparedStatement sum = connection.prepareStatement(ItemsSql.SUM_UP_STREAM);
        ResultSet result = sum.executeQuery()) {
      result.next();
      return new Work(result.getLong(1), result.getBigDecimal(2).longValue());
    }
  }

  private static void copyText(DataSource dataSource, Stream<Item> rows) throws Exception {
    JdbcWrites.inTransaction(
        dataSource,
        connection -> {
          CopyIn copy =
              connection.unwrap(PGConnection.class).getCopyAPI().copyIn(WriteSql.COPY_TEXT);
          for (Iterator<Item> each = rows.iterator(); each.hasNext(); ) {
            Item i = each.next();
            byte[] line =
                (i.id()
                        + "\t"
                        + i.accountId()
                        + "\t"
                        + i.status()
                        + "\t"
                        + i.madeAt()
                        + "\t"
                        + i.amount().toPlainString()
                        + "\t"
                        + i.name()
                        + "\n")
                    .getBytes(StandardCharsets.UTF_8);
            copy.writeToCopy(line, 0, line.length);
          }
          copy.endCopy();
        });
  }
}
