package dev.pgbelay.batch;

import dev.pgbelay.batch.BatchResult.Rejection;
import dev.pgbelay.batch.RowWrites.UntoldFatesException;
import java.sql.SQLException;
import java.util.BitSet;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Writes a unit under a savepoint. When a row makes it fail, that row is searched for by probes
 * that are rolled back; then either the call is refused by that row's name, or the good rows are
 * written once.
 */
final class GuardedWrite {
  private static final String SAVEPOINT = "pgbelay_batch";
  private static final int MAX_ROUNDS = 8;

  private final BatchConnection connection;
  private final Shape<?> shape;
  private final RowWrites<?> writes;
  private final Outcomes outcomes;
  private final SavepointBudget budget;
  private final Probes probes;

  GuardedWrite(
      BatchConnection connection,
      Shape<?> shape,
      RowWrites<?> writes,
      Outcomes outcomes,
      SavepointBudget budget) {
    this.connection = connection;
    this.shape = shape;
    this.writes = writes;
    this.outcomes = outcomes;
    this.budget = budget;
    this.probes = new Probes(connection, shape.table().rowSecurity());
  }

  long probes() {
    return probes.count();
  }

  /**
   * @param leftOut rows of the unit that were rejected before
   * @throws BatchException naming the first bad row, if the writer is atomic
   */
  void write(WriteUnit unit, BitSet leftOut) throws SQLException {
    SQLException last = null;
    for (int round = 0; round < MAX_ROUNDS; round++) {
      if (leftOut.cardinality() == unit.size()) {
        return;
      }
      SQLException failure = attempt(unit, leftOut);
      if (failure == null) {
        settleUnknown(unit, leftOut);
        return;
      }
      if (!RowFailure.is(failure, shape.table().rowSecurity())) {
        throw failure;
      }
      last = failure;
      search(unit, leftOut);
    }
    throw last == null ? new SQLException("no round was run") : last;
  }

  /** Null once the rows are written. */
  private @Nullable SQLException attempt(WriteUnit unit, BitSet leftOut) throws SQLException {
    boolean stays = budget.take();
    long counted = outcomes.counted();
    while (true) {
      connection.savepoint(SAVEPOINT);
      try {
        attempt(unit, leftOut, stays, counted);
        return null;
      } catch (UntoldFatesException e) {
        connection.unwind(SAVEPOINT, null);
        writes.tellFates();
      } catch (SQLException e) {
        connection.unwind(SAVEPOINT, e);
        return e;
      } catch (Throwable t) {
        connection.unwind(SAVEPOINT, t);
        throw t;
      }
    }
  }

  /**
   * @param stays as a subtransaction; otherwise as a probe that is rolled back, and then, once it
   *     is known to work, as part of what is around it
   */
  private void attempt(WriteUnit unit, BitSet leftOut, boolean stays, long counted)
      throws SQLException, UntoldFatesException {
    boolean checksDuplicates = checksDuplicates();
    unit.write(leftOut, stays && !checksDuplicates);
    if (checksDuplicates) {
      refuseDuplicates(unit, leftOut);
    }
    if (!stays) {
      connection.unwind(SAVEPOINT, null);
      outcomes.resetCounted(counted);
      writeForGood(unit, leftOut);
    } else if (checksDuplicates) {
      connection.release();
    }
  }

  /** What is written now cannot be taken back alone: it must not come to be written again. */
  private void writeForGood(WriteUnit unit, BitSet leftOut) throws SQLException {
    if (shape.operation() != WritePlan.Operation.INSERT && !writes.countsOnly()) {
      // Others may have changed rows since they were tried; a count could not tell which.
      writes.tellFates();
    }
    try {
      unit.write(leftOut, false);
    } catch (UntoldFatesException e) {
      BatchException changed =
          BatchException.contract(
              shape.describe() + ": a trigger took rows once and dropped them the second time");
      connection.abort(changed);
      throw changed;
    } catch (RuntimeException e) {
      connection.abort(e);
      throw e;
    }
  }

  private void search(WriteUnit unit, BitSet leftOut) throws SQLException {
    boolean partial = shape.settings().partial();
    // One more than may be: it takes that many to say that there are too many.
    int most = partial ? shape.settings().rejectLimit() - outcomes.refused() + 1 : 1;
    if (shape.writesGroups() && !writes.tellsFates() && !writes.countsOnly()) {
      // Which of several rows with one key was tried is anybody's guess.
      writes.tellFates();
    }
    Map<Integer, SQLException> found =
        new RowSearch(connection, shape, unit, probes, most).find(leftOut);
    for (Map.Entry<Integer, SQLException> bad : found.entrySet()) {
      Rejection rejection = RowFailure.of(unit.row(bad.getKey()), bad.getValue());
      if (!partial) {
        throw BatchException.rejected(shape.describe(), rejection, bad.getValue());
      }
      leftOut.set(bad.getKey());
      outcomes.reject(rejection);
      if (outcomes.refused() > shape.settings().rejectLimit()) {
        throw BatchException.tooManyRejected(
            shape.describe(), shape.settings().rejectLimit(), rejection, bad.getValue());
      }
    }
  }

  private boolean checksDuplicates() {
    return shape.operation() != WritePlan.Operation.INSERT
        && shape.settings().duplicates().kept() == Duplicates.Kept.NONE
        && !shape.serverRefusesDuplicates()
        && !shape.settings().partial();
  }

  private void refuseDuplicates(WriteUnit unit, BitSet leftOut) {
    IntStream.range(0, unit.size())
        .filter(index -> !leftOut.get(index) && outcomes.isUnknown(unit.row(index)))
        .findFirst()
        .ifPresent(
            index -> {
              throw BatchException.rejected(shape.describe(), duplicateOf(unit.row(index)), null);
            });
  }

  /** Rows that no statement spoke of: another one with their key was written. */
  private void settleUnknown(WriteUnit unit, BitSet leftOut) {
    if (writes.countsOnly()) {
      return;
    }
    boolean fail =
        shape.operation() != WritePlan.Operation.INSERT
            && shape.settings().duplicates().kept() == Duplicates.Kept.NONE;
    for (int index = leftOut.nextClearBit(0);
        index < unit.size();
        index = leftOut.nextClearBit(index + 1)) {
      int row = unit.row(index);
      if (!outcomes.isUnknown(row)) {
        continue;
      }
      if (shape.operation() == WritePlan.Operation.INSERT) {
        outcomes.set(row, BatchResult.Outcome.SKIPPED);
      } else if (fail) {
        outcomes.rejectDuplicate(duplicateOf(row));
      } else {
        outcomes.set(row, BatchResult.Outcome.DUPLICATE);
      }
    }
  }

  private Rejection duplicateOf(int row) {
    return new Rejection(
        row,
        "21000",
        Optional.of(shape.keyIndex().name()),
        Optional.empty(),
        "another row of the call has the same key; choose what becomes of them with duplicates(…)");
  }
}
