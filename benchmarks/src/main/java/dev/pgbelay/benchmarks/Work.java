package dev.pgbelay.benchmarks;

/**
 * What was done, so that a contestant cannot win by doing less.
 *
 * @param rows how many rows the contestant handed to its caller or wrote
 * @param checksum over the contents of those rows
 */
public record Work(long rows, long checksum) {}
