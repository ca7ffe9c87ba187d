/** Reading a list view and what stands under each of its rows. */
@NullMarked
package dev.pgbelay.benchmarks.reads;

import org.jspecify.annotations.NullMarked;
