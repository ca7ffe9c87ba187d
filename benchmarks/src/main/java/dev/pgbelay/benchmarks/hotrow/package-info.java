/** A counter in one row against a counter in several. */
@NullMarked
package dev.pgbelay.benchmarks.hotrow;

import org.jspecify.annotations.NullMarked;
