/** Where the messages of a topic go. */
@NullMarked
package dev.pgbelay.outbox.route;

import org.jspecify.annotations.NullMarked;
