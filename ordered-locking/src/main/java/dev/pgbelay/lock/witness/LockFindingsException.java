package dev.pgbelay.lock.witness;

import dev.pgbelay.core.PgBelayException;
import java.util.List;
import java.util.stream.Collectors;

/** A {@link LockWitness} has seen ways to deadlock. */
public final class LockFindingsException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  private final transient List<LockFinding> findings;

  LockFindingsException(List<LockFinding> findings) {
    super(
        findings.size()
            + " ways to deadlock were seen:\n"
            + findings.stream().map(LockFinding::toString).collect(Collectors.joining("\n")));
    this.findings = List.copyOf(findings);
  }

  public List<LockFinding> findings() {
    return findings;
  }
}
