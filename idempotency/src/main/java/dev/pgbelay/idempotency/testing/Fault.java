package dev.pgbelay.idempotency.testing;

/** What happens to a process at a boundary. */
public enum Fault {
  /** It is gone: its sessions end, and it never comes back. */
  KILLED,
  /**
   * It stands still with its sessions open, another process goes on, and then it wakes in the
   * middle of what it did: as after a long collection of garbage, or SIGSTOP.
   */
  STOPPED
}
