/** Payloads as JSON, for services that have Jackson. */
@NullMarked
package dev.pgbelay.jobqueue.jackson;

import org.jspecify.annotations.NullMarked;
