/** Checks and repairs from the command line, with an exit code for cron and CI. */
@NullMarked
package dev.pgbelay.reconcilecli;

import org.jspecify.annotations.NullMarked;
