package dev.pgbelay.batch.chunk;

import dev.pgbelay.core.Tx;
import org.jooq.Condition;
import org.jooq.Table;

/**
 * One range of rows to work on, in the transaction that will also store the progress: what the work
 * does through {@code tx} is committed with the progress or not at all. Effects outside the
 * database are not covered by that.
 *
 * @param tx the chunk's transaction
 * @param table the table that is walked
 * @param rows true for the rows of this chunk: the range and the job's filter
 */
public record Chunk(Tx tx, Table<?> table, Condition rows) {

  /** What a job does with a range. May run several times: the transaction is retried as a whole. */
  @FunctionalInterface
  public interface Work {
    /** Works on the rows and returns how many it changed; a negative number ends the run. */
    long apply(Chunk chunk);
  }
}
