/** One page at several depths, for every shape of order. */
@NullMarked
package dev.pgbelay.benchmarks.paging;

import org.jspecify.annotations.NullMarked;
