package dev.pgbelay.benchmarks;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import org.jspecify.annotations.Nullable;

/**
 * One line of a result file.
 *
 * @param value median over the rounds
 * @param ratio median over the rounds of this contestant's value divided by the limit's in the same
 *     round; null where the limit has no such metric
 * @param lowestRatio the smallest of those ratios, shown in the table only
 * @param highestRatio the largest
 */
@JsonPropertyOrder({"scenario", "contestant", "metric", "value", "unit", "ratio"})
@JsonIgnoreProperties({"lowestRatio", "highestRatio"})
public record Result(
    String scenario,
    String contestant,
    String metric,
    double value,
    String unit,
    @Nullable Double ratio,
    @Nullable Double lowestRatio,
    @Nullable Double highestRatio) {}
