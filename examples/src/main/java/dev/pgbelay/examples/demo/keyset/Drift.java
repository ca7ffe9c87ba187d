package dev.pgbelay.examples.demo.keyset;

import dev.pgbelay.examples.demo.report.LineChart.Point;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Walks a list while a writer commits between every two pages, and counts what happened to the
 * orders that existed before the walk began and still exist after it ended: each of them has to
 * arrive exactly once.
 */
final class Drift {

  /**
   * What one walk did to the stable orders.
   *
   * @param stable orders that had to arrive exactly once
   * @param pages pages read
   * @param skipped stable orders that never arrived
   * @param doubled arrivals of stable orders beyond their first
   * @param skippedByPage skipped so far, by page number
   * @param doubledByPage doubled so far, by page number
   */
  record Outcome(
      long stable,
      int pages,
      long skipped,
      long doubled,
      List<Point> skippedByPage,
      List<Point> doubledByPage) {

    /** Skipped and doubled together. */
    List<Point> harmByPage() {
      return IntStream.range(0, pages)
          .mapToObj(i -> new Point(i + 1, skippedByPage.get(i).y() + doubledByPage.get(i).y()))
          .toList();
    }
  }

  private final LiveOrders orders;

  Drift(LiveOrders orders) {
    this.orders = orders;
  }

  /** Walks over a fresh copy of the list; the writer makes the same changes in every walk. */
  Outcome during(Walk walk) {
    Map<Long, Integer> places = places(orders.refill());
    List<List<Long>> pages = new ArrayList<>();
    for (List<OrderRow> page = walk.next(); !page.isEmpty(); page = walk.next()) {
      pages.add(page.stream().map(OrderRow::id).toList());
      orders.write();
    }
    orders.finish();
    return count(places, orders.deleted(), pages);
  }

  private static Map<Long, Integer> places(List<Long> ids) {
    Map<Long, Integer> places = new HashMap<>();
    ids.forEach(id -> places.put(id, places.size()));
    return places;
  }

  private static Outcome count(
      Map<Long, Integer> places, Set<Long> deleted, List<List<Long>> pages) {
    boolean[] stable = new boolean[places.size()];
    places.forEach((id, place) -> stable[place] = !deleted.contains(id));
    Set<Integer> seen = new HashSet<>();
    List<Point> skippedByPage = new ArrayList<>();
    List<Point> doubledByPage = new ArrayList<>();
    long doubled = 0;
    long passed = 0;
    int end = 0;
    for (List<Long> page : pages) {
      for (Long id : page) {
        Integer place = places.get(id);
        if (place == null || !stable[place]) {
          continue;
        }
        if (!seen.add(place)) {
          doubled++;
        }
        for (; end <= place; end++) {
          passed += stable[end] ? 1 : 0;
        }
      }
      skippedByPage.add(new Point(skippedByPage.size() + 1, passed - seen.size()));
      doubledByPage.add(new Point(doubledByPage.size() + 1, doubled));
    }
    for (; end < stable.length; end++) {
      passed += stable[end] ? 1 : 0;
    }
    return new Outcome(
        passed, pages.size(), passed - seen.size(), doubled, skippedByPage, doubledByPage);
  }
}
