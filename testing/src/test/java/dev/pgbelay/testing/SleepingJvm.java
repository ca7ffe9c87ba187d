package dev.pgbelay.testing;

/** A program that starts a server and waits to be killed. */
final class SleepingJvm {
  private SleepingJvm() {}

  public static void main(String[] args) throws InterruptedException {
    PostgresCluster.shared();
    System.out.println("ready");
    Thread.sleep(600_000);
  }
}
