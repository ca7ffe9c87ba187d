package dev.pgbelay.core.schema;

import java.time.Duration;

/**
 * How DDL came through.
 *
 * <p>Immutable and safe for several threads.
 *
 * @param attempts 1 if it had its locks at once
 * @param took from the first attempt to the commit, pauses included
 */
public record DdlReport(int attempts, Duration took) {}
