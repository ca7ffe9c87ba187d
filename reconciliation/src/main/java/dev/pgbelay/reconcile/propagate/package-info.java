/** Deletes of parents: captured by triggers or by call, brought to the children afterwards. */
@NullMarked
package dev.pgbelay.reconcile.propagate;

import org.jspecify.annotations.NullMarked;
