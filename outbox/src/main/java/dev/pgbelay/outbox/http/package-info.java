/** Messages that are delivered as signed HTTP requests. */
@NullMarked
package dev.pgbelay.outbox.http;

import org.jspecify.annotations.NullMarked;
