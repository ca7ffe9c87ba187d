package dev.pgbelay.idempotency.fingerprint;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The same document, written down in many ways; and one that differs in one place. */
class RandomDocumentsTest {
  private static final int DOCUMENTS = 2_000;

  private record Document(Object value) {}

  @Test
  void everyWayOfWriting_hasOneFingerprintAndEveryChangeAnother() {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("RandomDocumentsTest: -Dpgbelay.seed=" + seed);
    Random random = new Random(seed);
    FingerprintRule rule = FingerprintRule.json();
    for (int i = 0; i < DOCUMENTS; i++) {
      Document document = new Document(List.of(value(random, 0)));
      String one = write(document.value(), random);
      String other = write(document.value(), random);
      assertThat(rule.of(one.getBytes(UTF_8)))
          .as("seed %d: %s and %s", seed, one, other)
          .isEqualTo(rule.of(other.getBytes(UTF_8)));
      String changed = write(change(document.value(), random), random);
      assertThat(rule.of(one.getBytes(UTF_8)))
          .as("seed %d: %s and %s", seed, one, changed)
          .isNotEqualTo(rule.of(changed.getBytes(UTF_8)));
    }
  }

  private static Object value(Random random, int depth) {
    int kind = random.nextInt(depth > 3 ? 3 : 5);
    if (kind == 0) {
      return random.nextBoolean();
    }
    if (kind == 1) {
      return new BigDecimal(random.nextInt(2_000) - 1_000).scaleByPowerOfTen(random.nextInt(9) - 4);
    }
    if (kind == 2) {
      return text(random);
    }
    int size = random.nextInt(4);
    if (kind == 3) {
      List<Object> elements = new ArrayList<>();
      for (int i = 0; i < size; i++) {
        elements.add(value(random, depth + 1));
      }
      return elements;
    }
    Map<String, Object> members = new LinkedHashMap<>();
    for (int i = 0; i < size; i++) {
      members.put("n" + i + text(random), value(random, depth + 1));
    }
    return members;
  }

  private static String text(Random random) {
    String letters = "ab\"\\/ \n\u00e9\u4e2d\ud83d\ude00";
    StringBuilder text = new StringBuilder();
    for (int i = random.nextInt(5); i > 0; i--) {
      int[] points = letters.codePoints().toArray();
      text.appendCodePoint(points[random.nextInt(points.length)]);
    }
    return text.toString();
  }

  /** Differs in one place at least. */
  private static Object change(Object value, Random random) {
    if (value instanceof Boolean truth) {
      return !truth;
    }
    if (value instanceof BigDecimal number) {
      return number.add(new BigDecimal("0.00001"));
    }
    if (value instanceof String text) {
      return text + "x";
    }
    if (value instanceof List<?> elements) {
      List<Object> changed = new ArrayList<>(elements);
      if (changed.isEmpty()) {
        changed.add("x");
      } else {
        int place = random.nextInt(changed.size());
        changed.set(place, change(changed.get(place), random));
      }
      return changed;
    }
    Map<String, Object> changed = new LinkedHashMap<>();
    ((Map<?, ?>) value).forEach((name, member) -> changed.put((String) name, member));
    changed.put("another", true);
    return changed;
  }

  private static String write(Object value, Random random) {
    String written;
    if (value instanceof BigDecimal number) {
      written = number(number, random);
    } else if (value instanceof String text) {
      written = quoted(text, random);
    } else if (value instanceof List<?> elements) {
      written =
          elements.stream()
              .map(element -> write(element, random))
              .collect(Collectors.joining(",", "[", "]"));
    } else if (value instanceof Map<?, ?> members) {
      List<Map.Entry<?, ?>> entries = new ArrayList<>(members.entrySet());
      Collections.shuffle(entries, random);
      written =
          entries.stream()
              .map(entry -> write(entry.getKey(), random) + ":" + write(entry.getValue(), random))
              .collect(Collectors.joining(",", "{", "}"));
    } else {
      written = value.toString();
    }
    return space(random) + written + space(random);
  }

  private static String number(BigDecimal number, Random random) {
    int power = random.nextInt(9) - 4;
    return switch (random.nextInt(3)) {
      case 0 -> number.toPlainString();
      case 1 -> number.scaleByPowerOfTen(-power).toPlainString() + "e" + power;
      default ->
          number.scaleByPowerOfTen(-power).toPlainString() + (power < 0 ? "E" : "E+") + power;
    };
  }

  private static String quoted(String text, Random random) {
    StringBuilder written = new StringBuilder("\"");
    text.codePoints()
        .forEach(
            point -> {
              if (point < 0x20 || point == '"' || point == '\\' || random.nextInt(3) == 0) {
                for (char half : Character.toChars(point)) {
                  written.append("\\u%04x".formatted((int) half));
                }
              } else {
                written.appendCodePoint(point);
              }
            });
    return written.append('"').toString();
  }

  private static String space(Random random) {
    return " \n\t".substring(0, random.nextInt(4));
  }
}
