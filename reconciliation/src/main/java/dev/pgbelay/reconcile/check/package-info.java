/** The checker: what is wrong is seen, confirmed, and kept as a finding. */
@NullMarked
package dev.pgbelay.reconcile.check;

import org.jspecify.annotations.NullMarked;
