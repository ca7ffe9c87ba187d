package dev.pgbelay.idempotency.testing;

/** What a {@link FakeProvider} does to one request for a page of its list. */
public enum ListFault {
  /** Nothing: it answers with the page. */
  NONE,
  /** 503. */
  ERROR,
  /** It answers with the page behind, and says nothing of the one that is lost. */
  LOSE_PAGE,
  /** It answers with the page before once more, and the page itself. */
  REPEAT_PAGE,
  /** It names the page itself as the next one. */
  STAY
}
