package dev.pgbelay.idempotency.reconciliation;

import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * Pulls what a provider has, page by page. Called on the thread of {@link Reconciliation#compare},
 * with no transaction open; its client's own time limit bounds a page.
 */
@FunctionalInterface
public interface ProviderRecords {
  /**
   * A page.
   *
   * @param records of the one step that is compared, in any order; the same one twice does no harm
   * @param next what the provider wants to be given for the page behind; empty at the end
   */
  record Page(List<ProviderRecord> records, Optional<String> next) {
    /** Copies the list. */
    public Page {
      records = List.copyOf(records);
    }
  }

  /**
   * Asks for a page; may be asked again for the same one.
   *
   * @param since everything created at this time or later, by the provider's clock
   * @param next from the page before; empty for the first one
   * @throws Exception if there was no answer, after which the page is asked for again, and then the
   *     list is not whole
   */
  Page page(Instant since, Optional<String> next) throws Exception;
}
