/** Messages that are appended with a business row, and delivered to a handler that does nothing. */
@NullMarked
package dev.pgbelay.benchmarks.outbox;

import org.jspecify.annotations.NullMarked;
