package dev.pgbelay.reconcilecli;

import java.util.List;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;

/** Finds the class with the declarations. */
final class Sources {
  private Sources() {}

  static DeclarationsSource find(Optional<String> name) {
    return name.map(Sources::named).orElseGet(Sources::theOnlyOne);
  }

  private static DeclarationsSource named(String name) {
    try {
      Object made = Class.forName(name).getDeclaredConstructor().newInstance();
      if (made instanceof DeclarationsSource source) {
        return source;
      }
      throw new Refusal(
          name + " is not a " + DeclarationsSource.class.getName() + "; let it implement that");
    } catch (LinkageError e) {
      Throwable why = e.getCause() == null ? e : e.getCause();
      throw new Refusal("class " + name + " could not be loaded: " + why);
    } catch (ClassNotFoundException e) {
      throw new Refusal("class " + name + " is not on the class path");
    } catch (ReflectiveOperationException e) {
      Throwable why = e.getCause() == null ? e : e.getCause();
      throw new Refusal(
          name
              + " could not be made by a public constructor without parameters of a public class: "
              + why);
    }
  }

  private static DeclarationsSource theOnlyOne() {
    List<DeclarationsSource> all;
    try {
      all =
          ServiceLoader.load(DeclarationsSource.class).stream()
              .map(ServiceLoader.Provider::get)
              .toList();
    } catch (ServiceConfigurationError e) {
      throw new Refusal(String.valueOf(e.getMessage()));
    }
    if (all.size() == 1) {
      return all.get(0);
    }
    String found =
        all.isEmpty()
            ? "no class is"
            : all.stream().map(each -> each.getClass().getName()).toList() + " are";
    throw new Refusal(
        found
            + " registered under META-INF/services/"
            + DeclarationsSource.class.getName()
            + "; register one, or name it by --declarations");
  }
}
