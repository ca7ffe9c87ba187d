/** Repairs of confirmed findings, bounded and undone as they were done. */
@NullMarked
package dev.pgbelay.reconcile.repair;

import org.jspecify.annotations.NullMarked;
