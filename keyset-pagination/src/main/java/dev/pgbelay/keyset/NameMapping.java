package dev.pgbelay.keyset;

import java.util.Optional;
import org.jooq.conf.RenderMapping;
import org.jooq.conf.RenderTable;
import org.jooq.conf.Settings;

/** What jOOQ's settings do to the names of tables: other schemas, other tables, no schema. */
final class NameMapping {
  private static final RenderMapping NOTHING = new RenderMapping();

  private NameMapping() {}

  /** A text that is equal for settings that map names alike; empty if these map none. */
  static Optional<String> of(Settings given) {
    RenderMapping mapping = given.getRenderMapping();
    boolean mapped = mapping != null && !mapping.equals(NOTHING);
    boolean cut =
        Boolean.FALSE.equals(given.isRenderSchema())
            || Boolean.FALSE.equals(given.isRenderCatalog())
            || (given.getRenderTable() != null && given.getRenderTable() != RenderTable.ALWAYS);
    if (!mapped && !cut) {
      return Optional.empty();
    }
    return Optional.of(
        "%s %s %s %s"
            .formatted(
                given.isRenderSchema(),
                given.isRenderCatalog(),
                given.getRenderTable(),
                mapped ? mapping : ""));
  }

  /** Maps as {@code given} does; what that says nothing about stays. */
  static Settings apply(Settings given, Settings own) {
    RenderMapping mapping = given.getRenderMapping();
    if (mapping != null && !mapping.equals(NOTHING)) {
      own.setRenderMapping((RenderMapping) mapping.clone());
    }
    if (Boolean.FALSE.equals(given.isRenderSchema())) {
      own.setRenderSchema(false);
    }
    if (Boolean.FALSE.equals(given.isRenderCatalog())) {
      own.setRenderCatalog(false);
    }
    if (given.getRenderTable() != null && given.getRenderTable() != RenderTable.ALWAYS) {
      own.setRenderTable(given.getRenderTable());
    }
    return own;
  }
}
