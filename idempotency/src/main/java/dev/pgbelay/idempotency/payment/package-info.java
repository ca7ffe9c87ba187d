/**
 * Operations with calls of other services in them, whose effect no rollback takes back. They are
 * declared as steps with {@link dev.pgbelay.idempotency.payment.Payments}, carried to an answer by
 * {@link dev.pgbelay.idempotency.payment.PaymentOperation}, and carried on after a crash or a
 * timeout by {@link dev.pgbelay.idempotency.payment.Completer}.
 */
@NullMarked
package dev.pgbelay.idempotency.payment;

import org.jspecify.annotations.NullMarked;
