package dev.pgbelay.idempotency.fingerprint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import dev.pgbelay.idempotency.fingerprint.UnfitRequestException.Reason;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Reads JSON strictly, and refuses what two readers may read in two ways. Jackson reads tokens. */
final class JsonReader {
  private final JsonFactory factory;
  private final int deepest;

  JsonReader(int deepest, int longest) {
    this.deepest = deepest;
    // The limits of this class speak first; Jackson's would show a piece of the document.
    this.factory =
        JsonFactory.builder()
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .streamReadConstraints(
                StreamReadConstraints.builder()
                    .maxNestingDepth(deepest + 1)
                    .maxNumberLength(longest)
                    .maxStringLength(longest)
                    .maxNameLength(longest)
                    .build())
            .build();
  }

  JsonValue read(byte[] utf8) {
    String text;
    try {
      text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
    } catch (CharacterCodingException e) {
      throw new UnfitRequestException(Reason.NOT_JSON, "the body is not UTF-8, as JSON must be");
    }
    try (JsonParser parser = factory.createParser(text)) {
      JsonValue value = value(parser, parser.nextToken(), 0);
      if (parser.nextToken() != null) {
        throw notJson(parser);
      }
      return value;
    } catch (IOException e) {
      // Neither its message nor itself: it quotes the document.
      throw new UnfitRequestException(
          Reason.NOT_JSON, "the body is not JSON (%s)".formatted(e.getClass().getSimpleName()));
    }
  }

  private JsonValue value(JsonParser parser, @Nullable JsonToken token, int depth)
      throws IOException {
    if (token == null) {
      throw notJson(parser);
    }
    return switch (token) {
      case VALUE_NULL -> new JsonValue.Nothing();
      case VALUE_TRUE -> new JsonValue.Truth(true);
      case VALUE_FALSE -> new JsonValue.Truth(false);
      case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT ->
          new JsonValue.Figure(Decimal.parse(parser.getText()));
      case VALUE_STRING -> new JsonValue.Text(CanonicalText.of(parser.getText()));
      case START_ARRAY -> elements(parser, deeper(depth));
      case START_OBJECT -> members(parser, deeper(depth));
      default -> throw notJson(parser);
    };
  }

  private JsonValue elements(JsonParser parser, int depth) throws IOException {
    List<JsonValue> values = new ArrayList<>();
    for (JsonToken token = parser.nextToken();
        token != JsonToken.END_ARRAY;
        token = parser.nextToken()) {
      values.add(value(parser, token, depth));
    }
    return new JsonValue.Elements(values);
  }

  private JsonValue members(JsonParser parser, int depth) throws IOException {
    SortedMap<String, JsonValue> values = new TreeMap<>();
    for (JsonToken token = parser.nextToken();
        token != JsonToken.END_OBJECT;
        token = parser.nextToken()) {
      if (token != JsonToken.FIELD_NAME) {
        throw notJson(parser);
      }
      String name = CanonicalText.of(parser.currentName());
      if (values.put(name, value(parser, parser.nextToken(), depth)) != null) {
        throw new UnfitRequestException(
            Reason.DUPLICATE_NAME,
            "an object has a name twice, before character %d: send each name once"
                .formatted(parser.currentLocation().getCharOffset()));
      }
    }
    return new JsonValue.Members(values);
  }

  private int deeper(int depth) {
    if (depth == deepest) {
      throw new UnfitRequestException(
          Reason.TOO_DEEP,
          "the body has arrays and objects in each other more than %d deep".formatted(deepest));
    }
    return depth + 1;
  }

  private static UnfitRequestException notJson(JsonParser parser) {
    return new UnfitRequestException(
        Reason.NOT_JSON,
        "the body is not one JSON document: character %d is out of place"
            .formatted(parser.currentLocation().getCharOffset()));
  }
}
