package dev.pgbelay.idempotency.fingerprint;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.fingerprint.UnfitRequestException.Reason;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class FingerprintRuleTest {
  private static final FingerprintRule JSON = FingerprintRule.json();

  /** Computed by another program, from the description of the form. */
  private static final String PINNED =
      "efc4a95ab6ac65a2be36ad94293364a08637032ce85de141aee836f04d1f4683";

  private record Request(
      String method,
      String path,
      Optional<String> query,
      Map<String, List<String>> all,
      String text)
      implements RequestContent {
    @Override
    public List<String> headers(String name) {
      return all.getOrDefault(name, List.of());
    }

    @Override
    public byte[] body() {
      return text.getBytes(UTF_8);
    }
  }

  private static Fingerprint json(String text) {
    return JSON.of(text.getBytes(UTF_8));
  }

  private static Request query(String query) {
    return new Request("POST", "/", Optional.of(query), Map.of(), "");
  }

  private static Request path(String path) {
    return new Request("POST", path, Optional.empty(), Map.of(), "");
  }

  private static Request header(List<String> values) {
    return new Request("POST", "/", Optional.empty(), Map.of("accept-language", values), "");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"a\":1,\"b\":[2,3]} | { \"b\" : [2, 3] , \"a\" : 1 }",
        "{\"a\":{\"x\":1,\"y\":2}} | {\"a\":{\"y\":2,\"x\":1}}",
        "1 | 1.0",
        "1 | 1e0",
        "1000 | 1E+3",
        "1000 | 0.001e6",
        "0.1 | 1e-1",
        "-0 | 0",
        "-0.0e9 | 0",
        "1e400000000 | 10e399999999",
        "\"\\u0041\" | \"A\"",
        "\"/\" | \"\\/\"",
        "\"\\u00e9\" | \"e\\u0301\"",
        "{\"\\u00e9\":1} | {\"e\\u0301\":1}",
        "\"\\ud83d\\ude00\" | \"\uD83D\uDE00\"",
      })
  void sameMeaningWrittenOtherwise_hasTheSameFingerprint(String one, String other) {
    assertThat(json(one)).isEqualTo(json(other));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "1 | \"1\"",
        "[1,2] | [2,1]",
        "[1,[2]] | [[1],2]",
        "[[],[]] | [[[]]]",
        "{\"a\":null} | {}",
        "null | \"null\"",
        "true | \"true\"",
        "true | false",
        "[] | {}",
        "1 | -1",
        "10 | 1",
        "0.1 | 0.10000000000000000000000000000001",
        "9007199254740992 | 9007199254740993",
        "\"a\" | \"A\"",
        "\"a\" | \"a \"",
        "\"\u212B\" | \"A\"",
        "\"\uFB01\" | \"fi\"",
        "{\"a\":\"b\"} | {\"b\":\"a\"}",
        "[\"a\",\"bc\"] | [\"ab\",\"c\"]",
      })
  void anotherMeaning_hasAnotherFingerprint(String one, String other) {
    assertThat(json(one)).isNotEqualTo(json(other));
  }

  /** A change of the form must come with a new number: rows of last week hold the old one. */
  @Test
  void formOfToday_isTheFormOfTheFirstRelease() {
    assertThat(json("{\"amount\":10.50,\"to\":[\"caf\\u00e9\",null,true,false,-2e-3]}"))
        .isEqualTo(new Fingerprint(1_000, PINNED));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`` | NOT_JSON",
        "{ | NOT_JSON",
        "{} {} | NOT_JSON",
        "01 | NOT_JSON",
        "1. | NOT_JSON",
        "+1 | NOT_JSON",
        "NaN | NOT_JSON",
        "[1,] | NOT_JSON",
        "{'a':1} | NOT_JSON",
        "{\"a\":1}// | NOT_JSON",
        "{\"a\":1,\"a\":1} | DUPLICATE_NAME",
        "{\"a\":1,\"\\u0061\":2} | DUPLICATE_NAME",
        "{\"\\u00e9\":1,\"e\\u0301\":2} | DUPLICATE_NAME",
        "\"\\ud800\" | NOT_UNICODE",
        "1e9999999999999999 | TOO_LONG",
      })
  void requestThatCanBeReadInTwoWaysOrNotAtAll_isRefused(String text, Reason reason) {
    assertThatThrownBy(() -> json(text))
        .isInstanceOfSatisfying(
            UnfitRequestException.class, e -> assertThat(e.reason()).isEqualTo(reason));
  }

  @Test
  void limits_areKept() {
    String deep = "[".repeat(64) + "]".repeat(64);
    assertThat(json(deep)).isNotNull();
    assertThatThrownBy(() -> json("[" + deep + "]"))
        .isInstanceOfSatisfying(
            UnfitRequestException.class, e -> assertThat(e.reason()).isEqualTo(Reason.TOO_DEEP));
    FingerprintRule small = FingerprintRule.builder().jsonBody().maxBodyBytes(8).build();
    assertThat(small.of("12345678".getBytes(UTF_8))).isNotNull();
    assertThatThrownBy(() -> small.of("123456789".getBytes(UTF_8)))
        .isInstanceOfSatisfying(
            UnfitRequestException.class, e -> assertThat(e.reason()).isEqualTo(Reason.TOO_LONG));
    assertThatThrownBy(() -> json("\"e" + "\u0301".repeat(10_000) + "\""))
        .isInstanceOfSatisfying(
            UnfitRequestException.class, e -> assertThat(e.reason()).isEqualTo(Reason.NOT_UNICODE));
    assertThatThrownBy(() -> JSON.of(new byte[] {'"', (byte) 0xff, '"'}))
        .isInstanceOfSatisfying(
            UnfitRequestException.class, e -> assertThat(e.reason()).isEqualTo(Reason.NOT_JSON));
  }

  @Test
  void refusal_saysNothingOfWhatTheRequestHolds() {
    for (String secret :
        List.of("{\"card\":4242424242}", "{\"card\":4242424242,\"card\":1}", "[4242424242")) {
      String text = secret.endsWith("}") ? secret + "," : secret;
      assertThatThrownBy(() -> json(text))
          .isInstanceOf(UnfitRequestException.class)
          .hasNoCause()
          .hasMessageNotContaining("4242")
          .hasMessageNotContaining("card");
    }
  }

  @Test
  void pointers_countAloneAndTellMissingFromNull() {
    FingerprintRule rule =
        FingerprintRule.builder().jsonPointer("/amount/value").jsonPointer("/lines/0").build();
    Fingerprint one =
        rule.of("{\"amount\":{\"value\":5,\"at\":1},\"lines\":[\"x\",\"y\"]}".getBytes(UTF_8));
    assertThat(rule.of("{\"lines\":[\"x\"],\"amount\":{\"value\":5.0}}".getBytes(UTF_8)))
        .isEqualTo(one);
    assertThat(rule.of("{\"lines\":[\"x\"],\"amount\":{\"value\":6}}".getBytes(UTF_8)))
        .isNotEqualTo(one);
    assertThat(rule.of("{\"lines\":[\"x\"],\"amount\":{\"value\":null}}".getBytes(UTF_8)))
        .isNotEqualTo(rule.of("{\"lines\":[\"x\"],\"amount\":{}}".getBytes(UTF_8)));
    FingerprintRule slash = FingerprintRule.builder().jsonPointer("/a~1b/m~0n").build();
    FingerprintRule escaped = FingerprintRule.builder().jsonPointer("/~01").build();
    assertThat(escaped.of("{\"~1\":1}".getBytes(UTF_8)))
        .isNotEqualTo(escaped.of("{\"~1\":2}".getBytes(UTF_8)));
    FingerprintRule noIndex = FingerprintRule.builder().jsonPointer("/lines/00").build();
    assertThat(noIndex.of("{\"lines\":[1]}".getBytes(UTF_8)))
        .isEqualTo(noIndex.of("{\"lines\":[2]}".getBytes(UTF_8)));
    assertThat(slash.of("{\"a/b\":{\"m~n\":1}}".getBytes(UTF_8)))
        .isNotEqualTo(slash.of("{\"a/b\":{\"m~n\":2}}".getBytes(UTF_8)));
  }

  @Test
  void partsThatAreDeclared_countAndOthersDoNot() {
    FingerprintRule rule = FingerprintRule.builder().method().path().jsonBody().build();
    Request request = new Request("POST", "/a", Optional.of("x=1"), Map.of(), "{}");
    Fingerprint one = rule.of(request);
    assertThat(rule.of(new Request("POST", "/a", Optional.empty(), Map.of(), " {} ")))
        .isEqualTo(one);
    assertThat(rule.of(new Request("PUT", "/a", Optional.empty(), Map.of(), "{}")))
        .isNotEqualTo(one);
    assertThat(rule.of(new Request("POST", "/b", Optional.empty(), Map.of(), "{}")))
        .isNotEqualTo(one);
    assertThatThrownBy(() -> rule.of(new byte[0])).isInstanceOf(PgBelayException.class);
  }

  @Test
  void bodyThatCountsByteByByte_isAnotherWithAnotherByte() {
    FingerprintRule bytes = FingerprintRule.bytes();
    assertThat(bytes.of("{}".getBytes(UTF_8))).isEqualTo(bytes.of("{}".getBytes(UTF_8)));
    assertThat(bytes.of("{}".getBytes(UTF_8))).isNotEqualTo(bytes.of("{ }".getBytes(UTF_8)));
  }

  @Test
  void needlessEscapesAndTheOrderOfParameters_makeNoDifference() {
    FingerprintRule paths = FingerprintRule.builder().path().build();
    assertThat(paths.of(path("/%7Euser/%c3%a9"))).isEqualTo(paths.of(path("/~user/%C3%A9")));
    assertThat(paths.of(path("/a%2Fb"))).isNotEqualTo(paths.of(path("/a/b")));
    FingerprintRule queries = FingerprintRule.builder().query().build();
    assertThat(queries.of(query("b=2&a=1"))).isEqualTo(queries.of(query("a=1&b=2")));
    assertThat(queries.of(query("a=1&a=2"))).isNotEqualTo(queries.of(query("a=2&a=1")));
    assertThat(queries.of(query("a=1%26b"))).isNotEqualTo(queries.of(query("a=1&b")));
  }

  @Test
  void headers_areJoinedAndMissingIsAValueOfItsOwn() {
    FingerprintRule rule = FingerprintRule.builder().header("Accept-Language").build();
    assertThat(rule.of(header(List.of("de", " en "))))
        .isEqualTo(rule.of(header(List.of("de, en"))));
    assertThat(rule.of(header(List.of("")))).isNotEqualTo(rule.of(header(List.of())));
    assertThat(rule.of(header(List.of("de")))).isNotEqualTo(rule.of(header(List.of("en"))));
  }

  @Test
  void anotherVersion_isComparedByItsOwnRuleIfThatIsAccepted_andNeverTakenForEqual() {
    FingerprintRule old = FingerprintRule.builder().jsonPointer("/a").build();
    FingerprintRule now = FingerprintRule.builder().version(1).jsonBody().build();
    FingerprintRule both = FingerprintRule.builder().version(1).jsonBody().accepts(old).build();
    byte[] body = "{\"a\":1,\"b\":2}".getBytes(UTF_8);
    byte[] sameForOld = "{\"a\":1,\"b\":3}".getBytes(UTF_8);
    byte[] other = "{\"a\":2}".getBytes(UTF_8);
    assertThat(old.of(body).version()).isEqualTo(1_000);
    assertThat(now.of(body).version()).isEqualTo(1_001);
    assertThatThrownBy(() -> now.of(body).matches(old.of(body)))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("version 1000")
        .hasMessageContaining("version 1001");
    assertThat(both.of(body).version()).isEqualTo(1_001);
    assertThat(both.of(body).matches(old.of(body))).isTrue();
    assertThat(both.of(sameForOld).matches(old.of(body))).isTrue();
    assertThat(both.of(sameForOld).matches(now.of(body))).isFalse();
    assertThat(both.of(other).matches(old.of(body))).isFalse();
  }

  @Test
  void requestThatAnAcceptedRuleCannotRead_isNoneOfThoseThatItTook() {
    FingerprintRule now =
        FingerprintRule.builder().version(1).body().accepts(FingerprintRule.json()).build();
    assertThat(now.of("no json".getBytes(UTF_8)).matches(json("{}"))).isFalse();
    assertThat(now.of("{}".getBytes(UTF_8)).matches(json("{}"))).isTrue();
  }

  @Test
  void acceptedRules_haveVersionsOfTheirOwnAndNeedNoMoreThanIsGiven() {
    assertThatThrownBy(
            () -> FingerprintRule.builder().body().accepts(FingerprintRule.json()).build())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("version 0");
    FingerprintRule whole =
        FingerprintRule.builder()
            .version(1)
            .body()
            .accepts(FingerprintRule.builder().path().body().build())
            .build();
    assertThatThrownBy(() -> whole.of(new byte[0])).hasMessageContaining("more than the body");
  }

  @ParameterizedTest
  @ValueSource(strings = {"amount", "/a~2", "/a~", ""})
  void pointerThatIsNone_isRefused(String pointer) {
    assertThatThrownBy(() -> FingerprintRule.builder().jsonPointer(pointer))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("jsonPointer");
  }

  @Test
  void declarationThatTellsNothingApartOrCountsTheBodyTwice_isRefused() {
    assertThatThrownBy(() -> FingerprintRule.builder().build())
        .hasMessageContaining("nothing of a request counts");
    assertThatThrownBy(() -> FingerprintRule.builder().jsonBody().body())
        .hasMessageContaining("two ways");
    assertThatThrownBy(() -> FingerprintRule.builder().header("a b").build())
        .hasMessageContaining("header");
    assertThatThrownBy(() -> FingerprintRule.builder().jsonBody().maxDepth(0).build())
        .hasMessageContaining("maxDepth");
  }
}
