/**
 * Side-by-side measurements of pgbelay against hand-written JDBC and against what people use today.
 */
@NullMarked
package dev.pgbelay.benchmarks;

import org.jspecify.annotations.NullMarked;
