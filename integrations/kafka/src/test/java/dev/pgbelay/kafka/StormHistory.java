package dev.pgbelay.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What happened in a storm, as plain facts: what the server says was committed and when, what the
 * broker has, what consumers wrote. It is written to a file, a line for each fact, and judged from
 * there.
 *
 * @param commits messages of committed transactions, in the order of the commits
 * @param rolledBack ids of messages whose transaction, or savepoint, was known to be rolled back
 * @param records everything the broker has, in the order of each partition
 * @param refusals what publishers did not answer as delivered
 * @param relays identities that relays had
 * @param effects what a consumer wrote, in its order
 * @param left rows that are still there at the end, by table
 */
record StormHistory(
    List<Committed> commits,
    List<String> rolledBack,
    List<Delivered> records,
    List<Refused> refusals,
    List<Relay> relays,
    List<Effect> effects,
    Map<String, Integer> left) {
  private static final String NONE = "-";

  /**
   * A message that was committed.
   *
   * @param version of the aggregate, counted under its lock, where the producer held one
   */
  record Committed(String id, Optional<String> key, Optional<Long> version) {}

  /** A record at the broker. */
  record Delivered(int partition, long offset, Optional<String> key, String id, String claim) {
    String claimant() {
      return claimant(claim);
    }

    private static String claimant(String claim) {
      return claim.substring(0, Math.max(0, claim.indexOf('/')));
    }
  }

  /** A message that a publisher did not answer as delivered, or whose call threw. */
  record Refused(String id, String claim) {}

  /** How an identity ended. */
  enum End {
    /** Its lease was over, and another relay, or itself, has removed it. */
    EXPIRED,
    /** It was removed by its own process, which began anew under another one. */
    RENEWED,
    /** It was removed by its own process, which had stopped in good order. */
    SIGNED_OFF,
    /** It is still there. */
    NONE
  }

  /** An identity of a relay process. */
  record Relay(String claimant, String node, End end) {}

  /** What a consumer has written for a message. */
  record Effect(String id, Optional<String> key) {}

  void write(Path file) throws IOException {
    List<String> lines = new ArrayList<>();
    for (Committed one : commits) {
      lines.add(
          "C "
              + one.id()
              + ' '
              + one.key().orElse(NONE)
              + ' '
              + one.version().map(String::valueOf).orElse(NONE));
    }
    rolledBack.forEach(id -> lines.add("R " + id));
    for (Delivered one : records) {
      lines.add(
          "D "
              + one.partition()
              + ' '
              + one.offset()
              + ' '
              + one.key().orElse(NONE)
              + ' '
              + one.id()
              + ' '
              + one.claim());
    }
    refusals.forEach(one -> lines.add("A " + one.id() + ' ' + one.claim()));
    relays.forEach(one -> lines.add("I " + one.claimant() + ' ' + one.node() + ' ' + one.end()));
    effects.forEach(one -> lines.add("E " + one.id() + ' ' + one.key().orElse(NONE)));
    left.forEach((table, rows) -> lines.add("T " + table + ' ' + rows));
    Files.write(file, lines, UTF_8);
  }

  static StormHistory read(Path file) throws IOException {
    return parse(Files.readAllLines(file, UTF_8));
  }

  static StormHistory parse(List<String> lines) {
    StormHistory history =
        new StormHistory(
            new ArrayList<>(),
            new ArrayList<>(),
            new ArrayList<>(),
            new ArrayList<>(),
            new ArrayList<>(),
            new ArrayList<>(),
            new LinkedHashMap<>());
    for (String line : lines) {
      history.add(line.split(" ", -1));
    }
    return history;
  }

  private void add(String[] parts) {
    switch (parts[0]) {
      case "C" ->
          commits.add(
              new Committed(parts[1], optional(parts[2]), optional(parts[3]).map(Long::valueOf)));
      case "R" -> rolledBack.add(parts[1]);
      case "D" ->
          records.add(
              new Delivered(
                  Integer.parseInt(parts[1]),
                  Long.parseLong(parts[2]),
                  optional(parts[3]),
                  parts[4],
                  parts[5]));
      case "A" -> refusals.add(new Refused(parts[1], parts[2]));
      case "I" -> relays.add(new Relay(parts[1], parts[2], End.valueOf(parts[3])));
      case "E" -> effects.add(new Effect(parts[1], optional(parts[2])));
      case "T" -> left.put(parts[1], Integer.valueOf(parts[2]));
      default -> throw new IllegalArgumentException("no fact begins with " + parts[0]);
    }
  }

  private static Optional<String> optional(String text) {
    return text.equals(NONE) ? Optional.empty() : Optional.of(text);
  }
}
