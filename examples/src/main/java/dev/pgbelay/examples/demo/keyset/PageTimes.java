package dev.pgbelay.examples.demo.keyset;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.keyset.WholeRead.Mark;
import dev.pgbelay.examples.demo.report.Chart.Role;
import dev.pgbelay.examples.demo.report.LineChart.Axis;
import dev.pgbelay.examples.demo.report.LineChart.Line;
import dev.pgbelay.examples.demo.report.LineChart.Point;
import dev.pgbelay.examples.demo.report.LineChart.Scale;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Times pages of {@value #PAGE} orders at growing depth, naive and keyset in turn, and checks that
 * both return the same orders.
 */
final class PageTimes {
  static final int PAGE = 50;
  static final Axis PAGE_NUMBER = new Axis("page number", Scale.LOG, "");
  static final Axis TIME = new Axis("time per page", Scale.LOG, "ms");
  private static final int FEWEST_ROUNDS = 5;
  private static final int MOST_ROUNDS = 25;
  private static final double ENOUGH_MILLIS = 300;
  private static final int WARM_UP = 150;
  private static final long PAGES_PER_MARK = WholeRead.PAGE / PAGE;

  /** One depth: the page's number, counted from 1, and both medians in milliseconds. */
  record Depth(long page, double naive, double keyset) {}

  /** Reads a page of {@value #PAGE} by hand, given its offset and the row before it. */
  interface NaivePage {
    List<OrderRow> read(long offset, @Nullable OrderRow last);
  }

  private final DemoContext context;
  private final KeysetPages keyset;
  private final WholeRead read;

  PageTimes(DemoContext context, KeysetPages keyset, WholeRead read) {
    this.context = context;
    this.keyset = keyset;
    this.read = read;
  }

  /** Both times at every depth, shallow to deep. */
  List<Depth> measure(String task, NaivePage naive) {
    warmUp(naive);
    List<Long> pages = pages();
    List<Depth> depths = new ArrayList<>();
    for (long page : pages) {
      depths.add(measure(page, naive));
      context.progress().step(task, depths.size(), pages.size());
    }
    return depths;
  }

  static Line line(List<Depth> depths, String label, Role role, Function<Depth, Double> millis) {
    return new Line(
        label, role, depths.stream().map(d -> new Point(d.page(), millis.apply(d))).toList());
  }

  private Depth measure(long page, NaivePage naive) {
    @Nullable Mark mark =
        page == 1 ? null : read.marks().get((int) ((page - 1) / PAGES_PER_MARK) - 1);
    @Nullable OrderRow last = mark == null ? null : mark.last();
    @Nullable String cursor = mark == null ? null : mark.cursor();
    Stopwatch naiveTime = new Stopwatch();
    Stopwatch keysetTime = new Stopwatch();
    do {
      List<OrderRow> byHand = naiveTime.time(() -> naive.read((page - 1) * PAGE, last));
      List<OrderRow> byKeyset = keysetTime.time(() -> keyset.page(dsl(), cursor, PAGE).items());
      if (!byHand.equals(byKeyset)) {
        throw new IllegalStateException(
            "page " + page + " differs between the naive and the keyset read of a quiet table");
      }
    } while (naiveTime.laps() < FEWEST_ROUNDS
        || (naiveTime.laps() < MOST_ROUNDS && naiveTime.totalMillis() < ENOUGH_MILLIS));
    return new Depth(page, naiveTime.medianMillis(), keysetTime.medianMillis());
  }

  private void warmUp(NaivePage naive) {
    Mark first = read.marks().get(0);
    Stopwatch discarded = new Stopwatch();
    for (int i = 0; i < WARM_UP; i++) {
      discarded.time(() -> naive.read(0, null));
      discarded.time(() -> naive.read(WholeRead.PAGE, first.last()));
      discarded.time(() -> keyset.page(dsl(), null, PAGE));
      discarded.time(() -> keyset.page(dsl(), first.cursor(), PAGE));
    }
  }

  private DSLContext dsl() {
    return context.primary();
  }

  /** 1, 21, 41, 101, 201, …: one page past a mark, so that keyset needs no walk to get there. */
  private List<Long> pages() {
    long lastMark = read.marks().size();
    Map<Long, Long> pages = new TreeMap<>();
    pages.put(0L, 1L);
    for (long decade = 1; decade <= lastMark; decade *= 10) {
      for (long mark : new long[] {decade, 2 * decade, 5 * decade}) {
        if (mark <= lastMark) {
          pages.put(mark, mark * PAGES_PER_MARK + 1);
        }
      }
    }
    pages.put(lastMark, lastMark * PAGES_PER_MARK + 1);
    return List.copyOf(pages.values());
  }
}
