package dev.pgbelay.idempotency.testing;

import static java.util.stream.Collectors.joining;

import dev.pgbelay.idempotency.testing.ChargeBook.Reply;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.IntStream;

/**
 * Lists charges, the newest first, in pages that are counted from there: each new charge shifts
 * them by one. Safe for several threads.
 */
final class ChargeList {
  private static final int MOST_PER_PAGE = 1_000;

  /** A page, and what stands for the one behind. */
  record Page(Reply reply, Optional<String> next) {
    private static Page failed(int status, String body) {
      return new Page(new Reply(status, body), Optional.empty());
    }
  }

  private final ChargeBook book;
  private final Queue<ListFault> faults = new ConcurrentLinkedQueue<>();

  ChargeList(ChargeBook book) {
    this.book = book;
  }

  void next(ListFault... to) {
    faults.addAll(List.of(to));
  }

  Page page(Map<String, String> query) {
    ListFault fault = Optional.ofNullable(faults.poll()).orElse(ListFault.NONE);
    if (fault == ListFault.ERROR) {
      return Page.failed(503, "error=unavailable");
    }
    try {
      Instant since = Instant.parse(query.getOrDefault("since", Instant.EPOCH.toString()));
      int limit = Math.min(MOST_PER_PAGE, Integer.parseInt(query.getOrDefault("limit", "100")));
      int from = Integer.parseInt(query.getOrDefault("page", "0"));
      return page(newestFirst(since), from, limit, fault);
    } catch (DateTimeException | NumberFormatException e) {
      return Page.failed(400, "error=query");
    }
  }

  private List<FakeCharge> newestFirst(Instant since) {
    List<FakeCharge> all = book.charges();
    return IntStream.range(0, all.size())
        .mapToObj(i -> all.get(all.size() - 1 - i))
        .filter(charge -> !charge.at().isBefore(since))
        .toList();
  }

  private static Page page(List<FakeCharge> all, int asked, int limit, ListFault fault) {
    int from =
        switch (fault) {
          case LOSE_PAGE -> asked + limit;
          case REPEAT_PAGE -> Math.max(0, asked - limit);
          default -> asked;
        };
    int to = Math.max(asked, from) + limit;
    int next = fault == ListFault.STAY ? asked : to;
    String body =
        all.stream().skip(from).limit(to - from).map(FakeCharge::format).collect(joining("\n"));
    return new Page(
        new Reply(200, body),
        next < all.size() ? Optional.of(Integer.toString(next)) : Optional.empty());
  }
}
