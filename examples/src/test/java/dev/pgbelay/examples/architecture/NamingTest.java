package dev.pgbelay.examples.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.examples.architecture.Reactor.Module;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Names that say nothing about what a thing does are not used: in any module's main code, published
 * or not.
 */
class NamingTest {
  private static final Pattern TYPE =
      Pattern.compile("(.*(Manager|Helper|Utils?|Impl|Common)([A-Z].*)?)|Abstract.*");

  private static final Pattern PACKAGE =
      Pattern.compile("(.*\\.)?(common|commons|utils?|helpers?|impl|misc|shared)(\\..*)?");

  static boolean isBanned(String typeName) {
    return TYPE.matcher(typeName).matches();
  }

  static boolean isBannedPackage(String packageName) {
    return PACKAGE.matcher(packageName).matches();
  }

  @Test
  void names_sayWhatAThingDoes() {
    List<String> banned = new ArrayList<>();
    for (Module module : MainClasses.REACTOR.modules()) {
      for (SourceFile file : SourceFile.parse(module.mainSourceFiles())) {
        if (isBannedPackage(file.packageName())) {
          banned.add(file.path() + ": package " + file.packageName());
        }
        for (SourceFile.Type type : file.types()) {
          if (isBanned(type.simpleName())) {
            banned.add(file.path() + ":" + type.line() + " " + type.simpleName());
          }
        }
      }
    }
    assertThat(banned).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "LeaseManager",
        "ManagerOfLeases",
        "SqlHelper",
        "StringUtils",
        "DateUtil",
        "CursorImpl",
        "AbstractLoop",
        "CommonSql"
      })
  void nameThatSaysNothing_isRefused(String name) {
    assertThat(isBanned(name)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(strings = {"Implicit", "Utility", "Commit", "Baseline", "KeysetQuery"})
  void nameThatOnlyLooksAlike_isAllowed(String name) {
    assertThat(isBanned(name)).isFalse();
  }

  @ParameterizedTest
  @ValueSource(strings = {"dev.pgbelay.core.common", "dev.pgbelay.util", "dev.pgbelay.utils.sql"})
  void packageThatSaysNothing_isRefused(String name) {
    assertThat(isBannedPackage(name)).isTrue();
    assertThat(isBannedPackage("dev.pgbelay.core.internal")).isFalse();
  }
}
