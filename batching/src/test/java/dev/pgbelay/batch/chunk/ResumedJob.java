package dev.pgbelay.batch.chunk;

import static dev.pgbelay.batch.chunk.ChunkFixture.DONE;
import static dev.pgbelay.batch.chunk.ChunkFixture.ID;
import static dev.pgbelay.batch.chunk.ChunkFixture.ITEM;
import static dev.pgbelay.batch.chunk.ChunkFixture.MADE_AT;
import static dev.pgbelay.batch.chunk.ChunkFixture.NOTE;
import static dev.pgbelay.batch.chunk.ChunkFixture.TENANT;
import static dev.pgbelay.batch.chunk.ChunkFixture.quick;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import java.util.Map;
import org.jooq.Condition;
import org.jooq.impl.DSL;

/** A runner in a JVM of its own that does so many chunks and then dies without a word. */
final class ResumedJob {
  private ResumedJob() {}

  /** Arguments: the URL, the job, the number of chunks to do. */
  public static void main(String[] args) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(args[0]);
    config.setMaximumPoolSize(2);
    HikariDataSource dataSource = new HikariDataSource(config);
    int[] left = {Integer.parseInt(args[2])};
    ChunkReport report =
        quick(ChunkedJob.over(Transactions.of(dataSource), args[1], ITEM).key(ID))
            .where(ID.gt(0L))
            .chunkRows(10, 10, 10)
            .lease(ChunkFixture.SHORT_LEASE)
            .update(assignments())
            .onProgress(
                status -> {
                  if (--left[0] == 0) {
                    System.out.println("stands behind " + status.rowsWalked());
                    Runtime.getRuntime().halt(137);
                  }
                })
            .build()
            .run();
    System.out.println("ended " + report.outcome() + " " + report.rows());
    dataSource.close();
  }

  /** The order of such a map is another one in each JVM. */
  private static Map<org.jooq.Field<?>, Object> assignments() {
    Condition even = ID.mod(2).eq(0L);
    return Map.of(
        DONE, DONE.plus(1),
        NOTE, DSL.when(even, "even").otherwise("odd"),
        TENANT, TENANT.plus(100),
        MADE_AT, MADE_AT);
  }
}
