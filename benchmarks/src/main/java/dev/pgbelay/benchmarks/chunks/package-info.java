/** Deleting half of a table while others write to it. */
@NullMarked
package dev.pgbelay.benchmarks.chunks;

import org.jspecify.annotations.NullMarked;
