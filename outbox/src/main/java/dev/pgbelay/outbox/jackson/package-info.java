/** Payloads as JSON, for services that have Jackson. */
@NullMarked
package dev.pgbelay.outbox.jackson;

import org.jspecify.annotations.NullMarked;
