package dev.pgbelay.lock.witness;

import java.util.Set;

/** The words of SQL by which locks are recognised and told. None of them is sent to a server. */
final class LockWordsSql {
  static final String FOR_KEY_SHARE = "FOR KEY SHARE";
  static final String FOR_SHARE = "FOR SHARE";
  static final String ON_CONFLICT = "ON CONFLICT";
  static final String FOR_NO_KEY_UPDATE = "FOR NO KEY UPDATE";
  static final String FOR_UPDATE = "FOR UPDATE";
  static final String AT_COMMIT = "COMMIT";

  /** The setting by which statements of LockOrder are known. */
  static final String EPOCH_OF_LOCK_ORDER = "pgbelay.lock_epoch";

  /** Commands that lock no rows and no tables. */
  static final Set<String> WITHOUT_LOCKS =
      Set.of(
          "show",
          "reset",
          "discard",
          "listen",
          "unlisten",
          "notify",
          "deallocate",
          "fetch",
          "move",
          "close",
          "begin",
          "start",
          "checkpoint",
          "load");

  /** Commands after which the catalog may say something else. */
  static final Set<String> DDL =
      Set.of(
          "create",
          "alter",
          "drop",
          "comment",
          "grant",
          "revoke",
          "analyze",
          "vacuum",
          "reindex",
          "cluster",
          "refresh",
          "reassign",
          "security",
          "import");

  private LockWordsSql() {}
}
