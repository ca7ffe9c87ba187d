/** What it costs to be watched. */
@NullMarked
package dev.pgbelay.benchmarks.witness;

import org.jspecify.annotations.NullMarked;
