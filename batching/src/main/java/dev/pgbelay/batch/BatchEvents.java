package dev.pgbelay.batch;

import dev.pgbelay.core.FailureKind;
import java.time.Duration;

/** What is worth counting. */
interface BatchEvents {
  BatchEvents NONE =
      new BatchEvents() {
        @Override
        public void written(BatchResult result, Duration time, long statements, long probes) {}

        @Override
        public void failed(WritePlan.Operation operation, FailureKind kind, Duration time) {}
      };

  void written(BatchResult result, Duration time, long statements, long probes);

  void failed(WritePlan.Operation operation, FailureKind kind, Duration time);
}
