/** Deletes of parents: captured by triggers, brought to the children afterwards, in chunks. */
@NullMarked
package dev.pgbelay.reconcile.propagate;

import org.jspecify.annotations.NullMarked;
