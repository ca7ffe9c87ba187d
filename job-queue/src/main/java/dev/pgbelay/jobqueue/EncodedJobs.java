package dev.pgbelay.jobqueue;

import dev.pgbelay.core.PgBelayException;
import java.util.List;
import java.util.function.Consumer;

/** Jobs with their payloads as they are stored; as many as one statement adds, or more. */
final class EncodedJobs {
  /** Of one statement with arrays, and from how many on COPY is faster than that. */
  static final int MOST_ROWS = 5_000;

  /** Of one COPY. */
  static final int MOST_COPIED = 50_000;

  private static final long MOST_BYTES = 8L << 20;

  private final List<? extends NewJob<?>> jobs;
  private final byte[][] payloads;

  EncodedJobs(List<? extends NewJob<?>> jobs, byte[][] payloads) {
    this.jobs = jobs;
    this.payloads = payloads;
  }

  List<? extends NewJob<?>> jobs() {
    return jobs;
  }

  byte[][] payloads() {
    return payloads;
  }

  /**
   * @throws PgBelayException if a payload is larger than the limit
   */
  static EncodedJobs of(List<? extends NewJob<?>> jobs, int payloadLimit) {
    byte[][] payloads = new byte[jobs.size()][];
    for (int i = 0; i < payloads.length; i++) {
      payloads[i] = encode(jobs.get(i), payloadLimit);
    }
    return new EncodedJobs(jobs, payloads);
  }

  static <P> byte[] encode(NewJob<P> job, int payloadLimit) {
    byte[] payload = job.kind().codec().encode(job.payload());
    if (payload.length > payloadLimit) {
      throw new PgBelayException(
          "the payload of a job of kind '"
              + job.kind().name()
              + "' has "
              + payload.length
              + " bytes, the limit is "
              + payloadLimit
              + ": store it elsewhere and enqueue its key, or raise payloadLimit");
    }
    return payload;
  }

  /** In parts that one statement each can take: so many rows at most, or 8 MiB. */
  void inParts(int most, Consumer<EncodedJobs> each) {
    int from = 0;
    while (from < payloads.length) {
      int to = from;
      long bytes = 0;
      while (to < payloads.length && to - from < most && (to == from || bytes < MOST_BYTES)) {
        bytes += payloads[to++].length;
      }
      byte[][] part = new byte[to - from][];
      System.arraycopy(payloads, from, part, 0, part.length);
      each.accept(new EncodedJobs(jobs.subList(from, to), part));
      from = to;
    }
  }
}
