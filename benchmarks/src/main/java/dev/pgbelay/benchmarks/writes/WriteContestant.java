package dev.pgbelay.benchmarks.writes;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Writes its rows a few times a round and reports the median of the rates. Before each time the
 * table is brought back to what it was, and afterwards it is looked at; neither is timed.
 */
final class WriteContestant implements Contestant {
  private static final long ENOUGH_NANOS = TimeUnit.MILLISECONDS.toNanos(600);

  private final String name;
  private final Items items;
  private final List<Item> rows;
  private final Work expected;
  private final Map<String, WriteWay> ways;
  private final int mostRuns;

  /**
   * @param most the number of rows that the contestant writes at most
   * @param mostRuns how often in a round
   * @param ways by part; the part is the name of the metric as well
   */
  WriteContestant(String name, Items items, long most, int mostRuns, Map<String, WriteWay> ways)
      throws Exception {
    this.name = name;
    this.items = items;
    this.rows = items.rows().subList(0, (int) Math.min(most, items.rows().size()));
    this.expected = items.expected(rows.size());
    this.mostRuns = mostRuns;
    this.ways = ways;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public boolean takesPart(String part) {
    return ways.containsKey(part);
  }

  @Override
  public List<Measurement> measure(String part) throws Exception {
    WriteWay way = ways.get(part);
    if (way == null) {
      throw new IllegalArgumentException(name + " does not take part in " + part);
    }
    List<Double> rates = new ArrayList<>();
    Work did = expected;
    long spent = 0;
    while (rates.isEmpty() || (rates.size() < mostRuns && spent < ENOUGH_NANOS)) {
      items.reset();
      long start = System.nanoTime();
      way.write(rows);
      long nanos = System.nanoTime() - start;
      Work seen = items.seen();
      if (!seen.equals(expected)) {
        did = seen;
      }
      rates.add(rows.size() / (nanos / 1e9));
      spent += nanos;
    }
    Collections.sort(rates);
    return List.of(new Measurement(part, rates.get(rates.size() / 2), "rows/s", did, expected));
  }
}
