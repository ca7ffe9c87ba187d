/** Checks and repairs from the command line. */
@NullMarked
package dev.pgbelay.reconcilecli;

import org.jspecify.annotations.NullMarked;
