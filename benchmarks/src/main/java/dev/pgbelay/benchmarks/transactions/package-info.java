/** The price of a transaction that knows whether it committed. */
@NullMarked
package dev.pgbelay.benchmarks.transactions;

import org.jspecify.annotations.NullMarked;
