package dev.pgbelay.keyset;

/** What a query reports; keeps Micrometer out of the classes that work without it. */
interface KeysetMetrics {
  KeysetMetrics NONE =
      new KeysetMetrics() {
        @Override
        public void page(PageRequest.Position position, String plan, long nanos) {}

        @Override
        public void cursorRefused(InvalidCursorException.Reason reason) {}
      };

  /**
   * One page was read.
   *
   * @param plan {@code scan}, {@code row_value} or {@code branches}
   */
  void page(PageRequest.Position position, String plan, long nanos);

  void cursorRefused(InvalidCursorException.Reason reason);
}
