/** The demo of {@code idempotency}: a provider that charges and does not answer in time. */
@NullMarked
package dev.pgbelay.examples.demo.payment;

import org.jspecify.annotations.NullMarked;
