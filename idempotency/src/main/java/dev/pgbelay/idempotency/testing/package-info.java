/**
 * For the tests of those who use idempotency: a provider that misbehaves over real sockets, and a
 * kit that stops an operation at each of its boundaries.
 */
@NullMarked
package dev.pgbelay.idempotency.testing;

import org.jspecify.annotations.NullMarked;
