/** Delivers published messages once more. */
@NullMarked
package dev.pgbelay.outbox.replay;

import org.jspecify.annotations.NullMarked;
