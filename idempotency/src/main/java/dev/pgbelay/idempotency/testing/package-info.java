/** For the tests of those who use idempotency: a provider that misbehaves over real sockets. */
@NullMarked
package dev.pgbelay.idempotency.testing;

import org.jspecify.annotations.NullMarked;
