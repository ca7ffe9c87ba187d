/** Not API. */
@NullMarked
package dev.pgbelay.idempotency.internal;

import org.jspecify.annotations.NullMarked;
