package dev.pgbelay.keyset;

import java.util.Comparator;
import java.util.List;

/**
 * What {@link KeysetCheck} found out about one query on one database. Prints as a report.
 * Immutable.
 *
 * @param query the query's name
 * @param findings what is wrong or not known; empty if all is proven
 * @param ddl statements that would remedy what an index can remedy; each is to be run by itself,
 *     outside of a transaction
 * @param plans the server's plan of every shape that was looked at, one line a node
 */
public record KeysetVerdict(
    String query, List<Finding> findings, List<String> ddl, List<String> plans) {

  /** From harmless to harmful. */
  public enum Outcome {
    /** The order is unique and NULL-safe, and an index serves every branch of every shape. */
    SERVED,
    /** An index serves, but the catalog cannot show that the order is unique or NULL-safe. */
    UNPROVEN,
    /** Pages are right, but get slower the deeper they lie: no index serves some shape. */
    SLOW,
    /** Pages can lose or repeat rows. */
    UNSAFE
  }

  /**
   * One thing that was found.
   *
   * @param outcome the best outcome that this finding leaves possible
   * @param message what it is about, which rule is broken, and what to do
   */
  public record Finding(Outcome outcome, String message) {}

  public KeysetVerdict {
    findings = List.copyOf(findings);
    ddl = List.copyOf(ddl);
    plans = List.copyOf(plans);
  }

  /** The worst of the findings. */
  public Outcome outcome() {
    return findings.stream()
        .map(Finding::outcome)
        .max(Comparator.naturalOrder())
        .orElse(Outcome.SERVED);
  }

  /**
   * For start-up and for tests: passes if the outcome is {@code SERVED} or {@code UNPROVEN}.
   *
   * @throws InvalidKeysetQueryException with the whole report otherwise
   */
  public KeysetVerdict requireServed() {
    return requireAtWorst(Outcome.UNPROVEN);
  }

  /**
   * Passes if the outcome is this one or a better one.
   *
   * @throws InvalidKeysetQueryException with the whole report otherwise
   */
  public KeysetVerdict requireAtWorst(Outcome acceptable) {
    if (outcome().compareTo(acceptable) > 0) {
      throw new InvalidKeysetQueryException(
          InvalidKeysetQueryException.Reason.NOT_SERVED, toString());
    }
    return this;
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("query '").append(query).append("': ").append(outcome());
    for (Finding finding : findings) {
      text.append("\n  ").append(finding.outcome()).append(": ").append(finding.message());
    }
    for (String statement : ddl) {
      text.append("\n  run: ").append(statement);
    }
    return text.toString();
  }
}
