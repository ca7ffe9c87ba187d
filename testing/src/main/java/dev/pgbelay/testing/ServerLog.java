package dev.pgbelay.testing;

/** The end of the server's log, put beside the failure of a test so that every report shows it. */
final class ServerLog extends Exception {
  private static final long serialVersionUID = 1L;

  ServerLog(String tail) {
    super("the end of the server's log:\n" + tail, null, false, false);
  }
}
