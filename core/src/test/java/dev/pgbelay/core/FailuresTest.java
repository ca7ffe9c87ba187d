package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.FailureNote.Verdict;
import dev.pgbelay.core.Failures.Circumstances;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.sql.BatchUpdateException;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import org.jooq.exception.DataAccessException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FailuresTest {
  private static final Circumstances ON_PRIMARY = new Circumstances(0, 0, 10, false);
  private static final Circumstances ON_STANDBY = new Circumstances(0, 0, 10, true);

  @ParameterizedTest
  @CsvSource({
    "40001, SERIALIZATION_FAILURE",
    "40P01, DEADLOCK",
    "40003, OUTCOME_UNKNOWN",
    "08007, OUTCOME_UNKNOWN",
    "57014, QUERY_CANCELED",
    "55P03, LOCK_NOT_AVAILABLE",
    "25P02, TRANSACTION_ABORTED",
    "25P03, TRANSACTION_TIMEOUT",
    "25P04, TRANSACTION_TIMEOUT",
    "25006, READ_ONLY",
    "57P01, CONNECTION_LOST",
    "57P02, CONNECTION_LOST",
    "57P03, CANNOT_CONNECT",
    "53300, CANNOT_CONNECT",
    "53200, RESOURCES_EXHAUSTED",
    "08001, CANNOT_CONNECT",
    "08006, CONNECTION_LOST",
    "08003, CONNECTION_LOST",
    "23505, UNIQUE_VIOLATION",
    "23503, FOREIGN_KEY_VIOLATION",
    "23514, CONSTRAINT_VIOLATION",
    "22003, INVALID_DATA",
    "42501, NOT_PERMITTED",
    "28P01, NOT_PERMITTED",
    "42P01, INVALID_STATEMENT",
    "XX000, OTHER"
  })
  void sqlState_hasItsKind(String state, FailureKind kind) {
    assertThat(Failures.classify(new SQLException("message is not looked at", state)))
        .isEqualTo(kind);
  }

  @Test
  void serializationFailureOnStandby_isRecoveryConflict() {
    SQLException conflict = new SQLException("", "40001");

    assertThat(Failures.classify(conflict, ON_PRIMARY))
        .isEqualTo(FailureKind.SERIALIZATION_FAILURE);
    assertThat(Failures.classify(conflict, ON_STANDBY)).isEqualTo(FailureKind.RECOVERY_CONFLICT);
  }

  @Test
  void queryCanceled_isTimeoutOnlyIfTheTimeoutHadPassed() {
    SQLException canceled = new SQLException("", "57014");

    assertThat(Failures.classify(canceled, new Circumstances(300, 0, 300, false)))
        .isEqualTo(FailureKind.STATEMENT_TIMEOUT);
    assertThat(Failures.classify(canceled, new Circumstances(300, 0, 299, false)))
        .isEqualTo(FailureKind.QUERY_CANCELED);
    assertThat(Failures.classify(canceled, new Circumstances(0, 0, 9999, false)))
        .isEqualTo(FailureKind.QUERY_CANCELED);
  }

  @Test
  void lockNotAvailable_isTimeoutOnlyIfTheLockTimeoutHadPassed() {
    SQLException refused = new SQLException("", "55P03");

    assertThat(Failures.classify(refused, new Circumstances(0, 100, 101, false)))
        .isEqualTo(FailureKind.LOCK_TIMEOUT);
    assertThat(Failures.classify(refused, new Circumstances(0, 100, 2, false)))
        .isEqualTo(FailureKind.LOCK_NOT_AVAILABLE);
  }

  @Test
  void wrappedFailure_isFoundThroughCausesAndNextExceptions() {
    BatchUpdateException batch = new BatchUpdateException("batch", null, 0, new int[0]);
    batch.setNextException(new SQLException("", "40P01"));
    Throwable wrapped =
        new IllegalStateException(new DataAccessException("jooq", new RuntimeException(batch)));

    assertThat(Failures.classify(wrapped)).isEqualTo(FailureKind.DEADLOCK);
    assertThat(Failures.sqlState(wrapped)).contains("40P01");
  }

  @Test
  void circularCauses_end() {
    RuntimeException first = new RuntimeException();
    first.initCause(new RuntimeException(first));

    assertThat(Failures.classify(first)).isEqualTo(FailureKind.OTHER);
  }

  @Test
  void brokenSocketUnderTheDriver_isLostConnection() {
    SQLException driver =
        new SQLException("I/O", "08006", new SocketTimeoutException("Read timed out"));

    assertThat(Failures.classify(driver)).isEqualTo(FailureKind.CONNECTION_LOST);
    assertThat(Failures.classify(new IOException("not of the database")))
        .isEqualTo(FailureKind.OTHER);
  }

  @Test
  void poolTimeout_isToldFromServerThatIsDown() {
    SQLException full = new SQLTransientConnectionException("pool - not available");
    SQLException down =
        new SQLTransientConnectionException("pool - not available", "08001", new IOException());

    assertThat(Failures.whileConnecting(full)).isEqualTo(FailureKind.POOL_EXHAUSTED);
    assertThat(Failures.whileConnecting(down)).isEqualTo(FailureKind.CANNOT_CONNECT);
    SQLException unfit = new SQLTransientConnectionException("pool - not available");
    unfit.initCause(new RuntimeException(new SQLException("isolation level -1", "0A000")));
    assertThat(Failures.whileConnecting(unfit)).isEqualTo(FailureKind.CANNOT_CONNECT);
    assertThat(Failures.whileConnecting(new SQLException("", "08006")))
        .isEqualTo(FailureKind.CANNOT_CONNECT);
    assertThat(Failures.whileConnecting(new SQLException("", "28P01")))
        .isEqualTo(FailureKind.NOT_PERMITTED);
  }

  @Test
  void noteOfTheTransaction_decidesTheVerdict() {
    SQLException canceled = new SQLException("", "57014");
    FailureNote.leave(
        canceled, Verdict.of(new Object(), "checkout", 2, FailureKind.STATEMENT_TIMEOUT));

    assertThat(Failures.classify(new RuntimeException(canceled)))
        .isEqualTo(FailureKind.STATEMENT_TIMEOUT);
  }

  @Test
  void retryableKinds_haveChangedNothing() {
    for (FailureKind kind : FailureKind.values()) {
      if (kind.isRetryable()) {
        assertThat(kind.fate()).isNotEqualTo(FailureKind.Fate.UNKNOWN);
      }
    }
    assertThat(FailureKind.OUTCOME_UNKNOWN.isRetryable()).isFalse();
  }
}
