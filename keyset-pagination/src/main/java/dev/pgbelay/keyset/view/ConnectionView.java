package dev.pgbelay.keyset.view;

import dev.pgbelay.keyset.Page;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A page as a Relay connection (GraphQL Cursor Connections Specification): {@code first}/{@code
 * after} is {@code PageRequest.first}/{@code after}, {@code last}/{@code before} is {@code
 * last}/{@code before}; edges come in the order's direction for both, as the specification asks.
 * Immutable as far as the items are.
 *
 * @param edges one for each item
 * @param pageInfo the page's ends
 */
public record ConnectionView<T>(List<Edge<T>> edges, PageInfo pageInfo) {

  /** An item and its cursor. */
  public record Edge<T>(T node, String cursor) {}

  /**
   * The page's ends. On a side that was not asked the specification allows false if it is not
   * cheaply known; ask with {@code PageRequest.withBothEnds()} to have it exact.
   *
   * @param startCursor of the first edge, or null
   * @param endCursor of the last edge, or null
   */
  public record PageInfo(
      boolean hasNextPage,
      boolean hasPreviousPage,
      @Nullable String startCursor,
      @Nullable String endCursor) {}

  public ConnectionView {
    edges = List.copyOf(edges);
  }

  /** The connection with each item mapped to its node. Signs one cursor an edge. */
  public static <T, V> ConnectionView<V> of(Page<T> page, Function<? super T, ? extends V> node) {
    List<Edge<V>> edges = new ArrayList<>();
    for (int i = 0; i < page.items().size(); i++) {
      edges.add(new Edge<>(node.apply(page.items().get(i)), page.cursors().get(i)));
    }
    return new ConnectionView<>(
        edges,
        new PageInfo(
            page.next() == Page.Neighbour.SOME,
            page.previous() == Page.Neighbour.SOME,
            edges.isEmpty() ? null : edges.get(0).cursor(),
            edges.isEmpty() ? null : edges.get(edges.size() - 1).cursor()));
  }
}
