package dev.pgbelay.examples.demo.keyset;

import java.util.List;

/** Reads a list page by page. */
interface Walk {

  /** The next page; empty once the walk believes that it has seen everything. */
  List<OrderRow> next();
}
