/**
 * The header {@code Idempotency-Key} of the IETF draft, and a client that sends it again safely.
 * The filter that answers it is in {@code pgbelay-servlet}.
 */
@NullMarked
package dev.pgbelay.idempotency.http;

import org.jspecify.annotations.NullMarked;
