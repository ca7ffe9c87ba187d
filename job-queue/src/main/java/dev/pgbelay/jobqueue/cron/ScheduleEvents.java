package dev.pgbelay.jobqueue.cron;

import io.micrometer.core.instrument.MeterRegistry;

/** What a runner reports. */
interface ScheduleEvents {
  ScheduleEvents NONE = new ScheduleEvents() {};

  default void fired(String schedule, int jobs, int missed) {}

  default void failed(String schedule) {}

  /** Into a registry. */
  record OfMicrometer(MeterRegistry registry) implements ScheduleEvents {
    private static final String PREFIX = "pgbelay.jobqueue.schedule.";
    private static final String TAG = "schedule";

    @Override
    public void fired(String schedule, int jobs, int missed) {
      registry.counter(PREFIX + "fired", TAG, schedule).increment(jobs);
      registry.counter(PREFIX + "missed", TAG, schedule).increment(missed);
    }

    @Override
    public void failed(String schedule) {
      registry.counter(PREFIX + "failed", TAG, schedule).increment();
    }
  }
}
