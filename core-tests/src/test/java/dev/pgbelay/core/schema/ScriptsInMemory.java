package dev.pgbelay.core.schema;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A class loader that finds the scripts a test made up. */
final class ScriptsInMemory extends ClassLoader {
  private final Map<String, String> resources = new HashMap<>();

  ScriptsInMemory() {
    super(null);
  }

  /** A module with scripts 1, 2, … named by their number. */
  ScriptsInMemory module(String segment, String... scripts) {
    StringBuilder index = new StringBuilder();
    for (int i = 0; i < scripts.length; i++) {
      String file = String.format("%04d_step.sql", i + 1);
      index.append(file).append('\n');
      put(segment, file, scripts[i]);
    }
    return put(segment, "index", index.toString());
  }

  ScriptsInMemory put(String segment, String file, String text) {
    resources.put("dev/pgbelay/" + segment + "/schema/" + file, text);
    return this;
  }

  @Override
  public @Nullable InputStream getResourceAsStream(String name) {
    String text = resources.get(name);
    return text == null ? null : new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
  }
}
