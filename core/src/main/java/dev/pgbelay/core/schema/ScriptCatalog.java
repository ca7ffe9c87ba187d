package dev.pgbelay.core.schema;

import static dev.pgbelay.core.schema.SchemaException.Reason.BROKEN_SCRIPTS;
import static dev.pgbelay.core.schema.SchemaException.Reason.MODULE_NOT_FOUND;

import dev.pgbelay.core.PgBelayException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Reads a module's scripts by name from an index resource: listing a folder works neither in every
 * fat jar nor in every class loader, opening a resource by its name works in all.
 */
final class ScriptCatalog {
  static final String INDEX = "index";
  private static final Pattern SEGMENT = Pattern.compile("[a-z][a-z0-9]*");
  private static final Pattern FILE = Pattern.compile("(\\d{4})_[a-z0-9_]+\\.sql");

  private final ClassLoader classLoader;
  private final SchemaName schema;

  ScriptCatalog(ClassLoader classLoader, SchemaName schema) {
    this.classLoader = classLoader;
    this.schema = schema;
  }

  static void requireSegment(String segment) {
    if (!SEGMENT.matcher(segment).matches()) {
      throw new PgBelayException(
          "module is \""
              + segment
              + "\": must be a package segment such as jobqueue (a-z, 0-9, a letter first)");
    }
  }

  List<SchemaScript> load(String segment) {
    String folder = "dev/pgbelay/" + segment + "/schema/";
    String index = read(folder + INDEX);
    if (index == null) {
      throw new SchemaException(
          MODULE_NOT_FOUND,
          "No scripts of module \""
              + segment
              + "\": resource "
              + folder
              + INDEX
              + " is not on the class path. Add the module's jar, or hand its class loader to"
              + " SchemaInstaller.builder(…).classLoader(…)");
    }
    List<SchemaScript> scripts = new ArrayList<>();
    for (String line : index.lines().map(String::strip).toList()) {
      if (!line.isEmpty() && !line.startsWith("#")) {
        scripts.add(script(segment, folder, line, scripts.size() + 1));
      }
    }
    if (scripts.isEmpty()) {
      throw broken(segment, folder + INDEX + " lists no script");
    }
    return List.copyOf(scripts);
  }

  private SchemaScript script(String segment, String folder, String file, int expected) {
    Matcher matcher = FILE.matcher(file);
    if (!matcher.matches()) {
      throw broken(segment, "\"" + file + "\" in its index is not of the form 0001_name.sql");
    }
    int number = Integer.parseInt(matcher.group(1));
    if (number != expected) {
      throw broken(
          segment,
          String.format(Locale.ROOT, "its index has %s where number %04d belongs", file, expected));
    }
    String text = read(folder + file);
    if (text == null) {
      throw broken(segment, file + " is in its index but not in the jar");
    }
    if (text.isBlank()) {
      throw broken(segment, file + " is empty");
    }
    String unknown = SchemaName.unknownPlaceholder(text);
    if (!unknown.isEmpty()) {
      throw broken(segment, file + " has the unknown placeholder " + unknown);
    }
    return new SchemaScript(segment, number, file, checksum(text), schema.render(text));
  }

  private @Nullable String read(String resource) {
    try (InputStream in = classLoader.getResourceAsStream(resource)) {
      return in == null
          ? null
          : new String(in.readAllBytes(), StandardCharsets.UTF_8).replace("\r\n", "\n");
    } catch (IOException e) {
      throw new SchemaException(BROKEN_SCRIPTS, "Resource " + resource + " could not be read", e);
    }
  }

  private static SchemaException broken(String segment, String what) {
    return new SchemaException(
        BROKEN_SCRIPTS,
        "The scripts of module \""
            + segment
            + "\" are broken: "
            + what
            + ". Use the jar as it was published");
  }

  private static String checksum(String text) {
    try {
      MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
      return HexFormat.of().formatHex(sha256.digest(text.getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java platform has SHA-256", e);
    }
  }
}
