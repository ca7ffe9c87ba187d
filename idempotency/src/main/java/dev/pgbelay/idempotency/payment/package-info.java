/** Operations with calls of other services in them, whose effect no rollback takes back. */
@NullMarked
package dev.pgbelay.idempotency.payment;

import org.jspecify.annotations.NullMarked;
