/** What providers tell by themselves: whether it is them, and each event once. */
@NullMarked
package dev.pgbelay.idempotency.webhook;

import org.jspecify.annotations.NullMarked;
