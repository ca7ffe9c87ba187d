/** What is processed once: a consumer's memory of the messages that it has had. */
@NullMarked
package dev.pgbelay.outbox.inbox;

import org.jspecify.annotations.NullMarked;
