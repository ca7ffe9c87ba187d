package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

/** What a message may be: what is wrong is said at once, with the rule. */
class NewMessageTest {
  private static final NewMessage MESSAGE = NewMessage.text("orders", "x");

  private static void refused(ThrowingCallable call, String... words) {
    assertThatThrownBy(call)
        .isInstanceOf(PgBelayException.class)
        .satisfies(e -> assertThat(e.getMessage()).contains(words));
  }

  @Test
  void topic_isAName() {
    for (String bad : new String[] {"", "a b", "a/b", "a\0", "x".repeat(250)}) {
      refused(() -> NewMessage.text(bad, "x"), "topic '", "1 to 249 letters");
    }
    assertThat(NewMessage.text("x".repeat(249), "x").topic()).hasSize(249);
  }

  @Test
  @SuppressWarnings("NullAway") // what callers without a checker can do
  void key_isATextThatCanBeStored() {
    refused(() -> MESSAGE.withKey(null), "the key is null", "leave it out");
    refused(() -> MESSAGE.withKey(""), "the length of the key", "between 1 and 255");
    refused(() -> MESSAGE.withKey("k".repeat(256)), "the length of the key", "is 256");
    refused(() -> MESSAGE.withKey("secret\0"), "the key holds a NUL", "encode it");
    assertThatThrownBy(() -> MESSAGE.withKey("secret\0")).hasMessageNotContaining("secret");
  }

  @Test
  void typeAndMessageId_areTextsThatCanBeStored() {
    refused(() -> MESSAGE.withType(""), "the length of the type");
    refused(() -> MESSAGE.withType("a\0"), "the type holds a NUL");
    refused(() -> MESSAGE.withMessageId("x".repeat(256)), "the length of the message id");
    refused(() -> MESSAGE.withMessageId("a\0"), "the message id holds a NUL");
  }

  /** UTF-8 would make one key of two, and one message id. */
  @Test
  void halfOfASurrogatePair_isRefused() {
    for (String bad : new String[] {"a\uD83D", "\uDE00a", "a\uD83Db", "\uDE00\uD83D"}) {
      refused(() -> MESSAGE.withKey(bad), "the key holds half of a surrogate pair");
      refused(() -> MESSAGE.withMessageId(bad), "the message id holds half");
      refused(() -> MESSAGE.withType(bad), "the type holds half");
    }
    assertThat(MESSAGE.withKey("\uD83D\uDE00").key()).contains("\uD83D\uDE00");
  }

  @Test
  @SuppressWarnings("NullAway") // what callers without a checker can do
  void whatIsNull_isNamed() {
    refused(() -> NewMessage.text("orders", null), "the payload is null: make it empty");
    refused(() -> MESSAGE.withHeader("trace", null), "the value of header 'trace' is null");
    refused(() -> MESSAGE.withHeader(null, "x"), "the name of a header is null");
  }

  @Test
  void headers_areFewAndShort() {
    Function<Integer, Map<String, String>> many =
        count ->
            IntStream.range(0, count)
                .boxed()
                .collect(Collectors.toMap(i -> "name" + i, i -> "value"));
    assertThat(MESSAGE.withHeaders(many.apply(32)).headers()).hasSize(32);
    refused(() -> MESSAGE.withHeaders(many.apply(33)), "the number of headers", "is 33");
    refused(() -> MESSAGE.withHeader("", "v"), "the length of header ''");
    refused(() -> MESSAGE.withHeader("n".repeat(256), "v"), "is 256");
    refused(() -> MESSAGE.withHeader("n", "v".repeat(4_097)), "header 'n's value", "4097");
    refused(() -> MESSAGE.withHeader("n", "a\0"), "header 'n' holds a NUL", "encode it");
    refused(() -> MESSAGE.withHeader("n\0", "a"), "header 'n\\0' holds a NUL");
  }

  @Test
  void payload_isEncodedAtOnce() {
    PayloadCodec<Integer> codec =
        new PayloadCodec<>() {
          @Override
          public byte[] encode(Integer payload) {
            return payload.toString().getBytes(StandardCharsets.UTF_8);
          }

          @Override
          public Integer decode(byte[] bytes) {
            return Integer.valueOf(new String(bytes, StandardCharsets.UTF_8));
          }
        };
    assertThat(NewMessage.of("orders", codec, 42).payload()).asString().isEqualTo("42");
    assertThat(NewMessage.text("orders", "\u00e9").payload()).hasSize(2);
  }

  @Test
  void text_showsNoValues() {
    assertThat(MESSAGE.withKey("secret").withHeader("a", "secret").toString())
        .isEqualTo("NewMessage[orders, 1 bytes]");
  }
}
