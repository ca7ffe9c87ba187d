/** What it costs that a request which is sent twice is executed once. */
@NullMarked
package dev.pgbelay.benchmarks.idempotency;

import org.jspecify.annotations.NullMarked;
