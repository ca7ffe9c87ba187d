/** What the checker, repairs and propagation have written goes when it is old. */
@NullMarked
package dev.pgbelay.reconcile.retention;

import org.jspecify.annotations.NullMarked;
