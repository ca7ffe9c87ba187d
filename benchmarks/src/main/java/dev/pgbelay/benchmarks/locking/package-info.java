/** How much an order of locks costs, and what it saves. */
@NullMarked
package dev.pgbelay.benchmarks.locking;

import org.jspecify.annotations.NullMarked;
