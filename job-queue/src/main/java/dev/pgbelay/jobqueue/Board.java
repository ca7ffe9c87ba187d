package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.jobqueue.LimitSql.Limit;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What was said of queues and kinds, as a worker knows it. */
record Board(Set<Limit> paused, Set<Limit> limited) {
  Board {
    paused = Set.copyOf(paused);
    limited = Set.copyOf(limited);
  }

  boolean isPaused(Limit limit) {
    return paused.contains(limit);
  }

  boolean isLimited(Limit limit) {
    return limited.contains(limit);
  }

  boolean saysSomethingOf(Limit limit) {
    return isPaused(limit) || isLimited(limit);
  }

  /** Reads it again when what is known is too old; for all queues of a process. */
  static final class Reader {
    private static final TxOptions READ = TxOptions.forPath("jobqueue-control");

    private final Transactions transactions;
    private final LimitSql sql;
    private final long oldest;
    private volatile @Nullable Read last;

    /** What was read, and when that was asked for. */
    private record Read(Board board, long at) {}

    Reader(Transactions transactions, LimitSql sql, Duration oldest) {
      this.transactions = transactions;
      this.sql = sql;
      this.oldest = oldest.toNanos();
    }

    /** What was read last; null at the beginning. */
    @Nullable Board last() {
      Read read = last;
      return read == null ? null : read.board();
    }

    /**
     * What was read within the last looks of a worker; null if that is long ago. Waits for nobody:
     * whoever asks has a connection, and who reads may be waiting for one.
     */
    @Nullable Board recent() {
      Read read = last;
      return read == null || System.nanoTime() - read.at() > 3 * oldest ? null : read.board();
    }

    /** The next one reads it again. */
    void forget() {
      last = null;
    }

    /** Not older than that when this returns, as of its statement's beginning. */
    synchronized Board current() throws SQLException {
      long now = System.nanoTime();
      Read read = last;
      if (read == null || now - read.at() > oldest) {
        read = new Read(transactions.run(READ, tx -> sql.read(tx.connection())), now);
        last = read;
      }
      return read.board();
    }
  }
}
