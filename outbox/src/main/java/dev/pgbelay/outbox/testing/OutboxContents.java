package dev.pgbelay.outbox.testing;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.outbox.NewMessage;
import dev.pgbelay.outbox.internal.Installed;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jooq.DSLContext;

/**
 * Looks at the messages that were appended and neither delivered nor held, and compares them with
 * what a test expects. Reads them into memory: for tests. What it throws is an {@link
 * AssertionError} that names topics, keys and types, and payloads by their lengths.
 *
 * <p>Opens and ends no transaction. As safe for several threads as what it was given.
 */
public final class OutboxContents {
  private final DSLContext dsl;
  private final boolean ofTransaction;
  private final TestKitSql sql;

  private OutboxContents(DSLContext dsl, boolean ofTransaction, String schema) {
    this.dsl = dsl;
    this.ofTransaction = ofTransaction;
    this.sql = new TestKitSql(schema);
  }

  /**
   * What this very transaction has appended, in the schema {@value SchemaInstaller#DEFAULT_SCHEMA}.
   */
  public static OutboxContents appendedIn(Tx tx) {
    return appendedIn(tx, SchemaInstaller.DEFAULT_SCHEMA);
  }

  /** What this very transaction has appended, also under savepoints that were not rolled back. */
  public static OutboxContents appendedIn(Tx tx, String schema) {
    return new OutboxContents(tx.dsl(), true, schema);
  }

  /** All that wait to be delivered, in the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static OutboxContents of(DSLContext dsl) {
    return of(dsl, SchemaInstaller.DEFAULT_SCHEMA);
  }

  /** All that wait to be delivered. */
  public static OutboxContents of(DSLContext dsl, String schema) {
    return new OutboxContents(dsl, false, schema);
  }

  /** The messages, in the order in which they were appended. */
  public List<AppendedMessage> messages() {
    return Installed.explained(() -> sql.list(dsl, ofTransaction));
  }

  /** Those of a topic. */
  public List<AppendedMessage> ofTopic(String topic) {
    return messages().stream().filter(one -> one.topic().equals(topic)).toList();
  }

  /**
   * Passes if exactly these messages are there, in this order. Message ids are compared where they
   * are given.
   *
   * @throws AssertionError naming the first that differs
   */
  public void assertExactly(NewMessage... expected) {
    List<AppendedMessage> actual = messages();
    int common = Math.min(expected.length, actual.size());
    for (int i = 0; i < common; i++) {
      List<String> differences = differences(expected[i], actual.get(i));
      if (!differences.isEmpty()) {
        throw new AssertionError(
            "message "
                + (i + 1)
                + " differs in "
                + String.join(", ", differences)
                + ": expected "
                + describe(expected[i])
                + ", was "
                + describe(actual.get(i)));
      }
    }
    if (expected.length != actual.size()) {
      throw new AssertionError(
          "expected "
              + expected.length
              + " messages, but there are "
              + actual.size()
              + ": "
              + actual.stream()
                  .map(OutboxContents::describe)
                  .collect(Collectors.joining("; ", "[", "]")));
    }
  }

  /**
   * Passes if there is none.
   *
   * @throws AssertionError otherwise
   */
  public void assertNone() {
    assertExactly();
  }

  private static List<String> differences(NewMessage expected, AppendedMessage actual) {
    List<String> differences = new ArrayList<>();
    differ(differences, "topic", expected.topic().equals(actual.topic()));
    differ(differences, "key", expected.key().equals(actual.key()));
    differ(differences, "type", expected.type().equals(actual.type()));
    differ(differences, "headers", expected.headers().equals(actual.headers()));
    differ(differences, "payload", Arrays.equals(expected.payload(), actual.payload()));
    differ(
        differences,
        "message id",
        expected.messageId().map(actual.messageId()::equals).orElse(true));
    return differences;
  }

  private static void differ(List<String> differences, String what, boolean same) {
    if (!same) {
      differences.add(what);
    }
  }

  private static String describe(NewMessage message) {
    return describe(
        message.topic(),
        message.key().orElse("none"),
        message.type().orElse("none"),
        message.payload().length);
  }

  private static String describe(AppendedMessage message) {
    return describe(
        message.topic(),
        message.key().orElse("none"),
        message.type().orElse("none"),
        message.payload().length);
  }

  private static String describe(String topic, String key, String type, int length) {
    return "topic " + topic + ", key " + key + ", type " + type + ", " + length + " bytes";
  }
}
