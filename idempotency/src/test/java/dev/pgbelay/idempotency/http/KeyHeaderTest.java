package dev.pgbelay.idempotency.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class KeyHeaderTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"8e03978e-40d5\" | 8e03978e-40d5",
        "` \"a\" ` | a",
        "\"a b\" | a b",
        "\"a\\\"b\\\\c\" | a\"b\\c",
        "\"a\";x;y=1 | a",
        "\"a\"; x=\"1\" | a",
        "\"a\";x=?1 | a",
      })
  void stringOfStructuredFields_isRead(String value, String key) {
    assertThat(KeyHeader.parse(value)).contains(key);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "\"\"",
        "a",
        "\"a",
        "a\"",
        "\"a\"b",
        "\"a\" b",
        "\"a\\b\"",
        "\"\u00e9\"",
        "\"a\tb\"",
        "\"a\", \"b\"",
        "?1",
        ":YQ==:",
        "1",
        "\"a\\",
        "\t\"a\"",
        "\"a\u007f\"",
        "\"a\";X=1",
        "\"a\";"
      })
  void anythingElse_isNot(String value) {
    assertThat(KeyHeader.parse(value)).isEmpty();
  }

  @Test
  void keyWithoutQuotes_isReadOnlyWhereThatIsAsked() {
    assertThat(KeyHeader.parse("8e03978e-40d5")).isEmpty();
    assertThat(KeyHeader.parseLeniently("8e03978e-40d5")).contains("8e03978e-40d5");
    assertThat(KeyHeader.parseLeniently("\"a\"")).contains("a");
    assertThat(KeyHeader.parseLeniently("a b")).isEmpty();
    assertThat(KeyHeader.parseLeniently("a\"b")).isEmpty();
  }

  @Test
  void longValue_isRefusedAndCostsNothing() {
    assertThat(KeyHeader.parse("\"" + "a".repeat(1_022) + "\"")).isPresent();
    assertThat(KeyHeader.parse("\"" + "a".repeat(1_023) + "\"")).isEmpty();
    assertThat(KeyHeader.parse("\"a\"" + ";a".repeat(500_000))).isEmpty();
    assertThat(KeyHeader.parseLeniently("a".repeat(1_025))).isEmpty();
  }

  @Test
  void whatIsFormatted_isReadAgain() {
    for (String key : new String[] {"a", "a\"b", "\\", " ", "~!@#$%^&*()", "x".repeat(255)}) {
      assertThat(KeyHeader.parse(KeyHeader.format(key))).contains(key);
    }
    assertThatThrownBy(() -> KeyHeader.format(""))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("empty");
    assertThatThrownBy(() -> KeyHeader.format("sesam\u00e9"))
        .hasMessageContaining("ASCII")
        .hasMessageNotContaining("sesam");
  }
}
