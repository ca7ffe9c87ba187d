package dev.pgbelay.core.schema;

import static dev.pgbelay.core.schema.SchemaException.Reason.CHANGED_SCRIPT;
import static dev.pgbelay.core.schema.SchemaException.Reason.HISTORY_GAP;

import java.util.ArrayList;
import java.util.List;

/** The scripts in the jars, held against what the database has recorded. */
record SchemaHistory(List<SchemaScript> missing, List<SchemaInstallation.Newer> newer) {

  /** One recorded script. */
  record Entry(String module, int number, String name, String checksum) {}

  static SchemaHistory compare(List<SchemaScript> scripts, List<Entry> entries, SchemaName schema) {
    List<SchemaScript> missing = new ArrayList<>();
    List<SchemaInstallation.Newer> newer = new ArrayList<>();
    for (String module : scripts.stream().map(SchemaScript::module).distinct().toList()) {
      List<SchemaScript> known = scripts.stream().filter(s -> s.module().equals(module)).toList();
      List<Entry> recorded = entries.stream().filter(e -> e.module().equals(module)).toList();
      requireNoGap(module, recorded, schema);
      for (int i = 0; i < Math.min(known.size(), recorded.size()); i++) {
        requireUnchanged(known.get(i), recorded.get(i), schema);
      }
      missing.addAll(known.subList(Math.min(known.size(), recorded.size()), known.size()));
      recorded.stream()
          .skip(known.size())
          .map(e -> new SchemaInstallation.Newer(e.module(), e.number(), e.name()))
          .forEach(newer::add);
    }
    return new SchemaHistory(List.copyOf(missing), List.copyOf(newer));
  }

  private static void requireNoGap(String module, List<Entry> recorded, SchemaName schema) {
    for (int i = 0; i < recorded.size(); i++) {
      if (recorded.get(i).number() != i + 1) {
        throw new SchemaException(
            HISTORY_GAP,
            "Module \""
                + module
                + "\" has script "
                + recorded.get(i).number()
                + " recorded in "
                + schema.quoted()
                + ".pgbelay_schema_history but not script "
                + (i + 1)
                + ". A row was removed or a script was run by hand without being recorded: put the row back"
                + " (SchemaInstaller.print() has the INSERT) once its objects are there");
      }
    }
  }

  private static void requireUnchanged(SchemaScript script, Entry entry, SchemaName schema) {
    if (!script.checksum().equals(entry.checksum())) {
      throw new SchemaException(
          CHANGED_SCRIPT,
          "Script "
              + script
              + " is not the one that schema "
              + schema.quoted()
              + " was made with ("
              + entry.name()
              + ": recorded checksum "
              + entry.checksum()
              + ", in the jar "
              + script.checksum()
              + "). A published script never changes: use the jar as published, or find out who edited the"
              + " history");
    }
  }
}
