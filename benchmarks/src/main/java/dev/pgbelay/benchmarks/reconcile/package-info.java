/** What guards, checkers and propagated deletes of {@code reconciliation} cost. */
@NullMarked
package dev.pgbelay.benchmarks.reconcile;

import org.jspecify.annotations.NullMarked;
