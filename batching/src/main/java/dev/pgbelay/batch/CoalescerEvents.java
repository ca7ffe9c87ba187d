package dev.pgbelay.batch;

import java.time.Duration;

/** What is worth counting of a coalescer. */
interface CoalescerEvents {
  CoalescerEvents NONE =
      new CoalescerEvents() {
        @Override
        public void flushing(String cause, int rows) {}

        @Override
        public void waited(Duration time) {}

        @Override
        public void refused() {}

        @Override
        public void closed() {}
      };

  void flushing(String cause, int rows);

  void waited(Duration time);

  void refused();

  void closed();
}
