package dev.pgbelay.outbox.jackson;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.outbox.NewMessage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Payloads as JSON. */
class JacksonCodecTest {
  record Order(String number, int items) {}

  /** Jackson finds a getter that throws, with a secret in its message. */
  static class Broken {
    public String getSecret() {
      throw new IllegalStateException("se-cret");
    }
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void payload_comesBackAsItWas() throws Exception {
    JacksonCodec<Order> codec = JacksonCodec.of(Order.class);
    NewMessage message = NewMessage.of("orders", codec, new Order("\u00e9-1", 2));
    assertThat(message.payload())
        .asString(StandardCharsets.UTF_8)
        .isEqualTo("{\"number\":\"\u00e9-1\",\"items\":2}");
    assertThat(codec.decode(message.payload())).isEqualTo(new Order("\u00e9-1", 2));
    JacksonCodec<List<Order>> list =
        JacksonCodec.of(new ObjectMapper(), new TypeReference<List<Order>>() {});
    assertThat(list.decode(list.encode(List.of(new Order("a", 1)))))
        .containsExactly(new Order("a", 1));
  }

  @Test
  void payloadOfAnotherVersion_isRead() throws Exception {
    JacksonCodec<Order> codec = JacksonCodec.of(Order.class);
    assertThat(codec.decode(utf8("{\"number\":\"a\",\"new\":true}"))).isEqualTo(new Order("a", 0));
    JacksonCodec<Order> strict = JacksonCodec.of(new ObjectMapper(), Order.class);
    assertThatThrownBy(() -> strict.decode(utf8("{\"number\":\"a\",\"new\":true}")))
        .isInstanceOf(IOException.class);
  }

  @Test
  void whatIsNoPayload_isRefused() {
    JacksonCodec<Order> codec = JacksonCodec.of(Order.class);
    for (String bad : List.of("", "null", "[1]", "{\"items\":\"many\"}", "not json")) {
      assertThatThrownBy(() -> codec.decode(utf8(bad))).isInstanceOf(IOException.class);
    }
  }

  @Test
  void payloadThatCannotBeWritten_isRefusedWithoutItsValues() {
    assertThatThrownBy(() -> JacksonCodec.of(Broken.class).encode(new Broken()))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("JacksonCodecTest$Broken cannot be written as JSON")
        .hasNoCause()
        .hasMessageNotContaining("cret");
  }
}
