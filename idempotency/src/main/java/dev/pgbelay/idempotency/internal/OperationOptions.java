package dev.pgbelay.idempotency.internal;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.OptionRange;
import java.time.Duration;

/** The options that every kind of operation has. Not safe for several threads. */
public final class OperationOptions {
  private final String operation;
  private Duration retention = Duration.ofDays(3);
  private TxOptions transactions;
  private int maxBytes = 1 << 20;

  /**
   * Begins with the defaults.
   *
   * @param path of its transactions; the operation's name is put behind it
   * @throws PgBelayException if the name is unfit
   */
  public OperationOptions(String operation, String path) {
    KeyRules.requireOperation(operation);
    this.operation = operation;
    this.transactions = TxOptions.forPath(path + "." + operation);
  }

  public String operation() {
    return operation;
  }

  public void retention(Duration time) {
    this.retention = time;
  }

  public Duration retention() {
    return retention;
  }

  public void transactions(TxOptions options) {
    this.transactions = options;
  }

  public TxOptions transactions() {
    return transactions;
  }

  public void maxBytes(int bytes) {
    this.maxBytes = bytes;
  }

  public int maxBytes() {
    return maxBytes;
  }

  /** Refuses what is out of range, and transactions that it could not commit. */
  public void check() {
    OptionRange.require("retention", retention, Duration.ofMinutes(1), Duration.ofDays(3650));
    OptionRange.require("maxBytes", maxBytes, 1, 1 << 28);
    if (transactions.readOnly() || transactions.nesting() != TxOptions.Nesting.REFUSE) {
      throw new PgBelayException(
          "the options of operation \""
              + operation
              + "\" must neither be readOnly nor nest: it commits what it wrote");
    }
  }

  /**
   * Refuses a retention that would forget a key before it comes for the last time.
   *
   * @param window for how long it comes
   * @param why who sends it, and what would happen
   */
  public void requireKept(Duration window, String why) {
    if (window.compareTo(retention) > 0) {
      throw new PgBelayException(
          "operation \""
              + operation
              + "\" keeps answers for "
              + retention
              + ", and "
              + why
              + ". Make the retention at least "
              + window);
    }
  }
}
