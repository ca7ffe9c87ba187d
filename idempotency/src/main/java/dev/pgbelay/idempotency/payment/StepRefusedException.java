package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;

/** Thrown by a {@link DatabaseStep} whose answer is no: this is final, and no failure. */
public final class StepRefusedException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  private final String code;

  /**
   * Refuses.
   *
   * @param code why, for {@link Execution#refusal}: 1 to 200 characters, stored as it is
   */
  public StepRefusedException(String code) {
    super("refused: " + code);
    this.code = ProviderReply.requireCode(code);
  }

  public String code() {
    return code;
  }
}
