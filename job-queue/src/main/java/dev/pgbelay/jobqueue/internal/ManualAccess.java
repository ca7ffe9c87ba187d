package dev.pgbelay.jobqueue.internal;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.jobqueue.JobHandler;
import dev.pgbelay.jobqueue.JobWorkerBuilder;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Opens the parts of a worker that is never started. {@link JobWorkerBuilder} puts itself in here
 * when it is loaded, so whoever has one can open it.
 */
public final class ManualAccess {
  private static volatile @Nullable Opener opener;

  private ManualAccess() {}

  /** What stands around each handler. */
  @FunctionalInterface
  public interface Around {
    <P> JobHandler<P> wrap(JobHandler<P> handler);
  }

  /** Builds the worker with other handlers and does not start it. */
  @FunctionalInterface
  public interface Opener {
    Drive open(JobWorkerBuilder builder, Around around, int concurrency);
  }

  /** The steps of a worker, each on the calling thread. Used by one thread at a time. */
  public interface Drive extends AutoCloseable {
    /** Makes ready what is due and claims what there is room for; how many jobs. */
    int claim() throws Exception;

    /** Runs what is claimed, also if the claim has passed on meanwhile. */
    void run() throws Exception;

    /** Writes what became of it. */
    void settle();

    /** Gives this worker up and hands its jobs back, as others do when it is not heard of. */
    void loseLease() throws Exception;

    /** How often each fate was written, by its tag. */
    Map<String, Integer> settled();

    /** How many writes a fence refused. */
    int refused();

    Transactions transactions();

    String schema();

    @Override
    void close();
  }

  /** Called once, when the builder's class is loaded. */
  public static void register(Opener how) {
    opener = how;
  }

  /**
   * Opens what the builder describes.
   *
   * @param concurrency of each queue, instead of the builder's
   */
  public static Drive open(JobWorkerBuilder builder, Around around, int concurrency) {
    return Objects.requireNonNull(opener).open(builder, around, concurrency);
  }
}
