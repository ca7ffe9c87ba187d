/** Compares what a provider says it did with what is stored of payments, and finds what differs. */
@NullMarked
package dev.pgbelay.idempotency.reconciliation;

import org.jspecify.annotations.NullMarked;
