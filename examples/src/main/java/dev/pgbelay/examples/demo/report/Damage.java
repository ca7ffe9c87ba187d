package dev.pgbelay.examples.demo.report;

/**
 * One kind of harm, counted in the naive run and in the safe run.
 *
 * @param what the harm in the plural: {@code rows skipped}, {@code rows doubled}
 * @param naive how often it happened in the naive run
 * @param safe how often it happened in the safe run
 */
public record Damage(String what, long naive, long safe) {}
