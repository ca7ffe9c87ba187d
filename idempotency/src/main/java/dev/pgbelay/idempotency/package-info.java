/**
 * Operations that run once for each key of a client: what a client sends again after a lost answer
 * gets the answer that was stored in the transaction of the first run. What calls other services is
 * in package {@code payment}.
 */
@NullMarked
package dev.pgbelay.idempotency;

import org.jspecify.annotations.NullMarked;
