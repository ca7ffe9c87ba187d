package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.Tx;

/**
 * Work on the database. What it writes is committed in one transaction with its result, and with
 * the neighbouring database steps up to the next call of a provider.
 *
 * @param <Q> the request
 * @param <T> the result, never null
 */
@FunctionalInterface
public interface DatabaseStep<Q, T> {
  /**
   * Does the work; again, from its start, whenever its transaction did not commit. Calls nobody
   * outside of this database.
   *
   * @throws StepRefusedException if the answer is no: the transaction is rolled back, what earlier
   *     provider steps did is compensated, and the response says so
   * @throws Exception otherwise nothing is decided: the step is tried again later
   */
  T run(Tx tx, Execution<Q> execution) throws Exception;
}
