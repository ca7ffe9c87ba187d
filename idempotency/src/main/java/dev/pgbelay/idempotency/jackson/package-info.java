/** Responses, requests and results of steps as JSON, for services that have Jackson. */
@NullMarked
package dev.pgbelay.idempotency.jackson;

import org.jspecify.annotations.NullMarked;
