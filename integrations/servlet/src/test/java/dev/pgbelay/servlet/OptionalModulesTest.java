package dev.pgbelay.servlet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Who uses one filter needs the module of that one alone. */
class OptionalModulesTest {

  /** Sees this module, and all others but for one package. */
  private static final class Without extends ClassLoader {
    private final URLClassLoader own;
    private final String hidden;

    Without(String hidden) throws Exception {
      super(OptionalModulesTest.class.getClassLoader());
      this.hidden = hidden;
      List<URL> all = new ArrayList<>();
      for (String entry :
          System.getProperty("java.class.path").split(java.io.File.pathSeparator, -1)) {
        all.add(Path.of(entry).toUri().toURL());
      }
      Without loader = this;
      this.own =
          new URLClassLoader(all.toArray(URL[]::new), ClassLoader.getPlatformClassLoader()) {
            @Override
            protected Class<?> loadClass(String name, boolean resolve)
                throws ClassNotFoundException {
              if (name.startsWith(loader.hidden)) {
                throw new ClassNotFoundException(name);
              }
              return super.loadClass(name, resolve);
            }
          };
    }

    @Override
    public Class<?> loadClass(String name) throws ClassNotFoundException {
      return own.loadClass(name);
    }
  }

  /** All of a class: its fields, methods and nested classes. */
  private static int membersOf(String type, String without) throws Exception {
    Class<?> loaded = Class.forName(type, true, new Without(without));
    int members = loaded.getDeclaredMethods().length + loaded.getDeclaredFields().length;
    for (Class<?> nested : loaded.getDeclaredClasses()) {
      members += nested.getDeclaredMethods().length;
    }
    return members;
  }

  @Test
  void routingFilter_needsNoIdempotency() throws Exception {
    for (String type :
        List.of(
            "ReadYourWritesFilter",
            "TokenCookie",
            "TokenExchange",
            "TokenTransport",
            "TokenResponse",
            "TokenRequest",
            "Problems",
            "RefusalMeters")) {
      assertThat(membersOf("dev.pgbelay.servlet." + type, "dev.pgbelay.idempotency")).isPositive();
    }
    assertThatThrownBy(
            () -> membersOf("dev.pgbelay.servlet.ReadYourWritesFilter", "dev.pgbelay.routing"))
        .isInstanceOf(NoClassDefFoundError.class);
  }

  @Test
  void idempotencyFilter_needsNoRouting() throws Exception {
    for (String type : List.of("IdempotencyFilter", "PaymentServlet", "FilterAnswers")) {
      assertThat(membersOf("dev.pgbelay.servlet." + type, "dev.pgbelay.routing")).isPositive();
    }
  }
}
