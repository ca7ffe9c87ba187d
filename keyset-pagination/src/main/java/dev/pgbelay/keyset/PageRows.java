package dev.pgbelay.keyset;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** The rows of one page, in the order in which the statement gave them. */
final class PageRows<T> {
  final List<T> items = new ArrayList<>();
  final List<Boundary> positions = new ArrayList<>();
  int before;
  boolean otherEnd;
  long counted;

  void reverse() {
    Collections.reverse(items);
    Collections.reverse(positions);
  }

  void removeFirst() {
    items.remove(0);
    positions.remove(0);
  }

  void removeLast() {
    items.remove(items.size() - 1);
    positions.remove(positions.size() - 1);
  }
}
