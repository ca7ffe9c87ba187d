package dev.pgbelay.testing;

/**
 * A test asked for a control that this kind of server does not offer, such as crashing a server
 * that only a JDBC URL leads to. The message names the control, the mode and the mode that offers
 * it.
 */
public final class UnsupportedControlException extends ClusterException {
  private static final long serialVersionUID = 1L;

  UnsupportedControlException(String control, String mode) {
    super(
        "\""
            + control
            + "\" is not possible on a server in mode "
            + mode
            + " (-Dpgbelay.postgres.mode="
            + mode
            + "): run this test with -Dpgbelay.postgres.mode=embedded");
  }
}
