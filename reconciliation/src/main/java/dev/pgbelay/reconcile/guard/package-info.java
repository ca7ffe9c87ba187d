/** Guards: the parents of new children are asked for before the children are written. */
@NullMarked
package dev.pgbelay.reconcile.guard;

import org.jspecify.annotations.NullMarked;
