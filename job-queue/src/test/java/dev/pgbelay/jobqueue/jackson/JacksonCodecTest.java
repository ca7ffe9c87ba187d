package dev.pgbelay.jobqueue.jackson;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.jobqueue.JobKind;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Payloads as JSON. */
class JacksonCodecTest {
  record Mail(String to, int copies) {}

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
    JobKind<Mail> kind = JobKind.of("mail", JacksonCodec.of(Mail.class));
    byte[] bytes = kind.codec().encode(new Mail("ada@example.org \u00e9", 2));
    assertThat(new String(bytes, StandardCharsets.UTF_8))
        .isEqualTo("{\"to\":\"ada@example.org \u00e9\",\"copies\":2}");
    assertThat(kind.codec().decode(bytes)).isEqualTo(new Mail("ada@example.org \u00e9", 2));
    JacksonCodec<List<Mail>> list =
        JacksonCodec.of(new ObjectMapper(), new TypeReference<List<Mail>>() {});
    assertThat(list.decode(list.encode(List.of(new Mail("a", 1)))))
        .containsExactly(new Mail("a", 1));
  }

  @Test
  void payloadOfAnotherVersion_isRead() throws Exception {
    JacksonCodec<Mail> codec = JacksonCodec.of(Mail.class);
    assertThat(codec.decode(utf8("{\"to\":\"a\",\"copies\":1,\"new\":true}")))
        .isEqualTo(new Mail("a", 1));
    assertThat(codec.decode(utf8("{\"to\":\"a\"}"))).isEqualTo(new Mail("a", 0));
    JacksonCodec<Mail> strict = JacksonCodec.of(new ObjectMapper(), Mail.class);
    assertThatThrownBy(() -> strict.decode(utf8("{\"to\":\"a\",\"new\":true}")))
        .isInstanceOf(IOException.class);
  }

  @Test
  void whatIsNoPayload_isRefused() {
    JacksonCodec<Mail> codec = JacksonCodec.of(Mail.class);
    for (String bad : List.of("", "null", "[1]", "{\"copies\":\"many\"}", "not json")) {
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
