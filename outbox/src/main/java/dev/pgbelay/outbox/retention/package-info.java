/** How long the outbox remembers what it needs no more. */
@NullMarked
package dev.pgbelay.outbox.retention;

import org.jspecify.annotations.NullMarked;
