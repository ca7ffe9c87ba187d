/** What the outbox looks like from outside: figures, and whether somebody has to see to it. */
@NullMarked
package dev.pgbelay.outbox.health;

import org.jspecify.annotations.NullMarked;
