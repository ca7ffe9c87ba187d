package dev.pgbelay.benchmarks.reads;

import dev.pgbelay.benchmarks.Work;
import java.util.List;
import java.util.Map;

/**
 * What a list view shows of its orders: their customers and their first lines.
 *
 * @param customers by id
 * @param lines by order, in the order of their positions
 */
record ListPage(Map<Long, Customer> customers, Map<Long, List<Line>> lines) {
  record Customer(long id, String name, String city) {}

  record Line(int position, String product, int quantity) {}

  /** The page's orders, as a query before has found them. */
  record Request(List<Long> orders, List<Long> customers) {}

  Work work(Request request) {
    long rows = 0;
    long checksum = 0;
    for (Long id : request.customers()) {
      Customer customer = customers.get(id);
      if (customer != null) {
        rows++;
        checksum = 31 * checksum + customer.hashCode();
      }
    }
    for (Long order : request.orders()) {
      List<Line> under = lines.getOrDefault(order, List.of());
      rows += under.size();
      checksum = 31 * checksum + under.hashCode();
    }
    return new Work(rows, checksum);
  }
}
