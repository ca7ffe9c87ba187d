package dev.pgbelay.examples.architecture;

import static com.tngtech.archunit.core.domain.JavaModifier.PROTECTED;
import static com.tngtech.archunit.core.domain.JavaModifier.PUBLIC;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaMember;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaType;
import dev.pgbelay.examples.architecture.fixture.ShowsInternal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * What a package named {@code internal} holds is not API, so nothing that is API may show it; and
 * what is API is few types in each package.
 */
class PublicApiTest {
  private static final long MOST_TYPES = 12;

  private static boolean isInternal(JavaClass type) {
    String name = type.getBaseComponentType().getPackageName();
    return name.startsWith("dev.pgbelay.")
        && (name.endsWith(".internal") || name.contains(".internal."));
  }

  private static boolean isApi(JavaClass type) {
    return isVisible(type.getModifiers())
        && !isInternal(type)
        && type.getEnclosingClass().map(PublicApiTest::isApi).orElse(true);
  }

  private static boolean isVisible(Set<JavaModifier> modifiers) {
    return modifiers.contains(PUBLIC) || modifiers.contains(PROTECTED);
  }

  private static List<String> internalTypesShown(JavaClasses classes) {
    List<String> shown = new ArrayList<>();
    for (JavaClass type : classes) {
      if (!isApi(type)) {
        continue;
      }
      List<JavaType> above = new ArrayList<>(type.getInterfaces());
      type.getSuperclass().ifPresent(above::add);
      above.addAll(type.getTypeParameters());
      addInternal(type.getName(), above, shown);
      for (JavaMember member : type.getMembers()) {
        if (isVisible(member.getModifiers())) {
          List<JavaType> types = new ArrayList<>(member.getAllInvolvedRawTypes());
          if (member instanceof JavaCodeUnit unit) {
            types.addAll(unit.getExceptionTypes());
          }
          addInternal(member.getFullName(), types, shown);
        }
      }
    }
    return shown;
  }

  private static void addInternal(String where, List<JavaType> types, List<String> shown) {
    types.stream()
        .flatMap(type -> type.getAllInvolvedRawTypes().stream())
        .filter(PublicApiTest::isInternal)
        .map(type -> where + " shows " + type.getName())
        .distinct()
        .forEach(shown::add);
  }

  /** Types in others are not counted: they are read with the one that they are in. */
  private static Map<String, Long> publicTypes(JavaClasses classes) {
    return classes.stream()
        .filter(type -> type.isTopLevelClass() && isApi(type))
        .collect(Collectors.groupingBy(JavaClass::getPackageName, Collectors.counting()));
  }

  @Test
  void packages_haveNoMorePublicTypesThanOneCanKeepInMind() {
    assertThat(publicTypes(MainClasses.of(MainClasses.REACTOR.published())))
        .hasSizeGreaterThan(10)
        .allSatisfy((name, types) -> assertThat(types).as(name).isLessThanOrEqualTo(MOST_TYPES));
  }

  @Test
  void publicTypes_areCounted() {
    assertThat(publicTypes(MainClasses.fixture(ShowsInternal.class)))
        .containsEntry(ShowsInternal.class.getPackageName(), 1L);
  }

  @Test
  void publicSignatures_doNotShowInternalTypes() {
    assertThat(internalTypesShown(MainClasses.of(MainClasses.REACTOR.published()))).isEmpty();
  }

  @Test
  void internalTypeInAPublicSignature_isRefused() {
    assertThat(internalTypesShown(MainClasses.fixture(ShowsInternal.class)))
        .anyMatch(
            shown ->
                shown.startsWith("dev.pgbelay.examples.architecture.fixture.ShowsInternal shows"))
        .anyMatch(shown -> shown.contains(".field shows"))
        .anyMatch(shown -> shown.contains(".get() shows"))
        .anyMatch(shown -> shown.contains(".accept("))
        .anyMatch(shown -> shown.contains(".array("))
        .noneMatch(shown -> shown.contains("hiding"));
  }
}
