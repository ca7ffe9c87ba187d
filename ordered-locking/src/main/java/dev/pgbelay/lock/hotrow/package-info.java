/** Rows that everybody writes: counters spread over several rows, stock that is never oversold. */
@NullMarked
package dev.pgbelay.lock.hotrow;

import org.jspecify.annotations.NullMarked;
