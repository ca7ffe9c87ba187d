package dev.pgbelay.examples.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import java.time.Clock;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/**
 * Leases, due times, retention and schedules are decided by the database's clock. The JVM's wall
 * clock is read only by the classes named here, where a token, an id or a signature carries the
 * time. {@code System.nanoTime} is free: it measures, it does not date. {@code testing} is held to
 * the same rule; examples and benchmarks, which are no library, are not.
 */
class ClockTest {
  /** Class → what carries the time that it reads. */
  private static final Map<String, String> MAY_READ_THE_CLOCK =
      Map.of(
          "dev.pgbelay.core.token.TokenSigner",
              "a token says when it was signed and until when it is good",
          "dev.pgbelay.keyset.CursorCodec", "a cursor can expire",
          "dev.pgbelay.outbox.MessageIds", "a UUID of version 7 begins with the time");

  private static final Set<String> TIME_TYPES =
      Set.of(
          "java.time.Instant",
          "java.time.LocalDate",
          "java.time.LocalTime",
          "java.time.LocalDateTime",
          "java.time.OffsetTime",
          "java.time.OffsetDateTime",
          "java.time.ZonedDateTime",
          "java.time.Year",
          "java.time.YearMonth",
          "java.time.MonthDay");

  private static boolean readsTheClock(JavaAccess<?> access) {
    String owner = access.getTargetOwner().getName();
    String name = access.getName();
    // Read from the descriptor, because a method reference has no resolved parameters to offer.
    List<JavaClass> parameters =
        access.getTarget()
                instanceof com.tngtech.archunit.core.domain.AccessTarget.CodeUnitAccessTarget unit
            ? unit.getRawParameterTypes()
            : List.of();
    boolean givenAClock =
        parameters.size() == 1 && parameters.get(0).getName().equals("java.time.Clock");
    return (owner.equals("java.lang.System") && name.equals("currentTimeMillis"))
        || (TIME_TYPES.contains(owner) && name.equals("now") && !givenAClock)
        || (owner.equals("java.time.Clock")
            && (name.startsWith("system") || name.startsWith("tick"))
            && !name.equals("tick"))
        || (owner.equals("java.time.InstantSource") && name.equals("system"))
        || (owner.equals("java.util.Date") && name.equals("<init>") && parameters.isEmpty())
        || (owner.equals("java.util.Calendar") && name.equals("getInstance"))
        || (owner.equals("java.util.GregorianCalendar") && name.equals("<init>"));
  }

  private static List<String> readings(JavaClasses classes) {
    return classes.stream()
        .flatMap(type -> type.getAccessesFromSelf().stream())
        .filter(ClockTest::readsTheClock)
        .filter(
            access -> !MAY_READ_THE_CLOCK.containsKey(topLevel(access.getOriginOwner()).getName()))
        .map(JavaAccess::getDescription)
        .sorted()
        .toList();
  }

  static JavaClass topLevel(JavaClass type) {
    return type.getEnclosingClass().map(ClockTest::topLevel).orElse(type);
  }

  @Test
  void wallClockOfTheJvm_isReadByNamedClassesOnly() {
    assertThat(readings(MainClasses.of(MainClasses.REACTOR.published())))
        .as("readings of the JVM's wall clock outside of the classes named in this test")
        .isEmpty();
  }

  @Test
  void classesThatMayReadTheClock_exist() {
    assertThat(MAY_READ_THE_CLOCK.keySet())
        .allSatisfy(name -> assertThat(MainClasses.all().contain(name)).as(name).isTrue());
  }

  /** Each way to read the clock that the rule knows, and two that it allows. */
  @SuppressWarnings({"JavaUtilDate", "JavaTimeDefaultTimeZone", "TimeZoneUsage"})
  static class ClockFixture {
    long millis() {
      return System.currentTimeMillis();
    }

    Instant instant() {
      return Instant.now();
    }

    Supplier<Instant> reference() {
      return Instant::now;
    }

    Object clock() {
      return Clock.systemUTC();
    }

    Object date() {
      return new java.util.Date();
    }

    Object inLambda() {
      Supplier<Object> later = () -> java.time.LocalDateTime.now(java.time.ZoneOffset.UTC);
      return later;
    }

    Instant allowedWithAClock(Clock clock) {
      return Instant.now(clock);
    }

    long allowedNanos() {
      return System.nanoTime();
    }
  }

  @Test
  void everyWayToReadTheClock_isRefused() {
    assertThat(readings(MainClasses.fixture(ClockFixture.class)))
        .hasSize(6)
        .noneMatch(reading -> reading.contains(".allowed"));
  }
}
