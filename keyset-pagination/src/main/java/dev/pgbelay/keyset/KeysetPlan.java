package dev.pgbelay.keyset;

import java.util.List;

/**
 * How one shape of page is read: the branches, and the SQL. Each branch is one contiguous range of
 * an index on the order; the rows of an earlier branch come before those of a later one. Immutable.
 *
 * @param position for example {@code after a cursor, forward, shipped_at null}
 * @param order the order in which this page walks, flipped for a page read backward
 * @param branches the conditions on the keys, in the order in which their rows come; {@code :n} is
 *     the position's n-th value
 * @param sql the statement, with {@code ?} for bound values and {@code 21} (a page of 20 and one
 *     row more) as the limit
 */
public record KeysetPlan(String position, String order, List<String> branches, String sql) {
  public KeysetPlan {
    branches = List.copyOf(branches);
  }

  /** The plan in lines, to be read by people. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(position).append('\n');
    text.append("  order by ").append(order).append('\n');
    for (int i = 0; i < branches.size(); i++) {
      text.append("  branch ").append(i + 1).append(": ").append(branches.get(i)).append('\n');
    }
    return text.append("  ").append(sql).append('\n').toString();
  }
}
