/** Messages that are handled in this process. */
@NullMarked
package dev.pgbelay.outbox.handler;

import org.jspecify.annotations.NullMarked;
