package dev.pgbelay.batch;

/** What is worth counting of a coalescer. */
interface CoalescerEvents {
  CoalescerEvents NONE =
      new CoalescerEvents() {
        @Override
        public void flushing(String cause, int rows) {}

        @Override
        public void waited(long nanos) {}

        @Override
        public void refused() {}

        @Override
        public void closed() {}
      };

  void flushing(String cause, int rows);

  void waited(long nanos);

  void refused();

  void closed();
}
