package dev.pgbelay.idempotency.testing;

/** What a {@link FakeProvider} does to one request instead of simply answering it. */
public enum ProviderFault {
  /** Nothing: it acts and answers. */
  NONE,
  /** 503, and nothing was done. */
  ERROR_BEFORE_ACTING,
  /** The connection is closed, and nothing was done. */
  DROP_BEFORE_ACTING,
  /** 429 with {@code Retry-After: 0}, and nothing was done. */
  TOO_MANY_REQUESTS,
  /** The request is taken, and acted on only once it is let go: after its caller gave up. */
  HOLD_BEFORE_ACTING,
  /** It acts, and answers only once it is let go: its caller times out after the effect. */
  HOLD_AFTER_ACTING,
  /** It acts, and closes the connection instead of answering. */
  DROP_AFTER_ACTING,
  /** It acts, and answers 500. */
  ERROR_AFTER_ACTING,
  /** A definite refusal: 402. */
  DECLINE
}
