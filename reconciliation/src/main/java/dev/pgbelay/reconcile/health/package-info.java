/** What reconciliation looks like from outside: figures, and whether somebody has to see to it. */
@NullMarked
package dev.pgbelay.reconcile.health;

import org.jspecify.annotations.NullMarked;
