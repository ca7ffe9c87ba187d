/**
 * References and derived values that the application keeps: declared once, guarded on the hot path,
 * propagated on delete, checked, confirmed and repaired.
 */
@NullMarked
package dev.pgbelay.reconcile;

import org.jspecify.annotations.NullMarked;
