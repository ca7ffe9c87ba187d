package dev.pgbelay.core.schema;

import java.util.List;

/**
 * What one call of {@link SchemaInstaller#install()} or {@link SchemaInstaller#requireInstalled()}
 * found and did.
 *
 * <p>Immutable and safe for several threads.
 *
 * @param applied the scripts that this call ran, in the order they ran; empty where nothing was
 *     missing or another installer was faster
 * @param newer scripts recorded in the database that this version of the jars does not know: a
 *     newer version was here before. Accepted, since code of version N-1 runs on the schema of
 *     version N
 */
public record SchemaInstallation(List<SchemaScript> applied, List<Newer> newer) {

  public SchemaInstallation {
    applied = List.copyOf(applied);
    newer = List.copyOf(newer);
  }

  /** A script known to the database only. */
  public record Newer(String module, int number, String name) {}
}
