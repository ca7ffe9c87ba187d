package dev.pgbelay.idempotency.reconciliation;

import io.github.resilience4j.retry.Retry;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads a provider's list to its end, or as far as it can be read. For one thread. */
final class Pull {
  private static final Logger LOG = LoggerFactory.getLogger(Reconciliation.class);

  /**
   * How far it came.
   *
   * @param gap why the list was not read to its end; empty if it was
   */
  record Read(long pages, long records, String gap) {}

  private final ProviderRecords source;
  private final Retry retry;
  private final int mostPages;

  Pull(ProviderRecords source, Retry retry, int mostPages) {
    this.source = source;
    this.retry = retry;
    this.mostPages = mostPages;
  }

  /** Gives each page on before it asks for the next. */
  Read read(Instant since, Consumer<List<ProviderRecord>> pages) throws InterruptedException {
    Optional<String> next = Optional.empty();
    long records = 0;
    for (int number = 1; number <= mostPages; number++) {
      ProviderRecords.Page page = page(since, next, number);
      if (page == null) {
        return new Read(number - 1, records, "page " + number + " could not be read");
      }
      pages.accept(new ArrayList<>(page.records()));
      records += page.records().size();
      if (page.next().isEmpty()) {
        return new Read(number, records, "");
      }
      if (page.next().equals(next)) {
        return new Read(number, records, "page " + number + " names itself as the next one");
      }
      next = page.next();
    }
    return new Read(mostPages, records, "there are more than " + mostPages + " pages");
  }

  private ProviderRecords.@Nullable Page page(Instant since, Optional<String> next, int number)
      throws InterruptedException {
    try {
      return retry.executeCallable(() -> source.page(since, next));
    } catch (InterruptedException e) {
      throw e;
    } catch (Exception e) {
      if (Thread.currentThread().isInterrupted()) {
        throw new InterruptedException();
      }
      LOG.warn("page {} of a provider's list could not be read", number, e);
      return null;
    }
  }
}
