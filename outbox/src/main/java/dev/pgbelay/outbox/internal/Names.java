package dev.pgbelay.outbox.internal;

import dev.pgbelay.core.PgBelayException;
import java.util.regex.Pattern;

/** What the names of topics and destinations must be. */
public final class Names {
  private static final Pattern TOPIC = Pattern.compile("[A-Za-z0-9._-]{1,249}");
  private static final Pattern DESTINATION = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,62}");

  private Names() {}

  /**
   * Passes a topic; the rule is Kafka's.
   *
   * @throws PgBelayException naming the topic and the rule
   */
  public static String requireTopic(String name) {
    if (!TOPIC.matcher(name).matches()) {
      throw new PgBelayException(
          "topic '" + name + "' must be 1 to 249 letters, digits, '.', '-' or '_'");
    }
    return name;
  }

  /**
   * Passes a destination's name, which is a tag of metrics.
   *
   * @throws PgBelayException naming the destination and the rule
   */
  public static String requireDestination(String name) {
    if (!DESTINATION.matcher(name).matches()) {
      throw new PgBelayException(
          "destination '"
              + name
              + "' must be 1 to 63 letters, digits, '.', '-' or '_', a letter or digit first");
    }
    return name;
  }
}
