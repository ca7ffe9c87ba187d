package dev.pgbelay.examples.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Pages do not rot: a relative link leads to a file (and to a heading in it), and a code block
 * under {@code <!-- snippet: path#tag -->} is word for word the region between {@code //
 * tag::tag[]} and {@code // end::tag[]} of that file, which is compiled and tested.
 */
class DocumentationTest {
  private static final Pattern LINK =
      Pattern.compile(
          "(?<!!)\\[[^\\]]*\\]\\(<?([^)\\s>]+)>?[^)]*\\)|!\\[[^\\]]*\\]\\(([^)\\s]+)\\)");
  private static final Pattern SNIPPET =
      Pattern.compile("<!-- snippet: (\\S+)#(\\S+) -->\\s*```\\w*\\n(.*?)\\n```", Pattern.DOTALL);
  private static final Pattern SNIPPET_MARK = Pattern.compile("<!-- snippet:");
  private static final Pattern FENCE = Pattern.compile("(?ms)^```.*?^```");

  private static List<Path> pages(Path root) {
    try (Stream<Path> files = Files.walk(root)) {
      return files
          .filter(file -> file.toString().endsWith(".md"))
          .filter(
              file ->
                  Stream.of("target", ".git", "pgbouncer")
                      .noneMatch(part -> root.relativize(file).toString().contains(part + "/")))
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<String> deadLinks(Path root) throws IOException {
    List<String> dead = new ArrayList<>();
    for (Path page : pages(root)) {
      Matcher link = LINK.matcher(FENCE.matcher(Files.readString(page)).replaceAll(""));
      while (link.find()) {
        String target = Optional.ofNullable(link.group(1)).orElse(link.group(2));
        if (!target.matches("[a-z]+:.*") && !leadsSomewhere(page, target)) {
          dead.add(root.relativize(page) + " links to " + target);
        }
      }
    }
    return dead;
  }

  private static boolean leadsSomewhere(Path page, String target) throws IOException {
    int hash = target.indexOf('#');
    String file = hash < 0 ? target : target.substring(0, hash);
    Path found = file.isEmpty() ? page : page.resolveSibling(file).normalize();
    if (!Files.exists(found)) {
      return false;
    }
    return hash < 0
        || !found.toString().endsWith(".md")
        || headings(found).contains(target.substring(hash + 1));
  }

  /** Anchors as GitHub makes them of headings. */
  private static List<String> headings(Path page) throws IOException {
    return FENCE
        .matcher(Files.readString(page))
        .replaceAll("")
        .lines()
        .filter(line -> line.matches("#{1,6} .*"))
        .map(line -> line.replaceFirst("#+ +", "").strip().toLowerCase(Locale.ROOT))
        .map(line -> line.replaceAll("[^\\p{L}\\p{N} _-]", "").replace(' ', '-'))
        .toList();
  }

  private static List<String> staleSnippets(Path root) throws IOException {
    List<String> stale = new ArrayList<>();
    for (Path page : pages(root)) {
      String text = Files.readString(page);
      Matcher snippet = SNIPPET.matcher(text);
      int seen = 0;
      while (snippet.find()) {
        seen++;
        Optional<String> region = region(root.resolve(snippet.group(1)), snippet.group(2));
        if (region.isEmpty() || !region.get().equals(snippet.group(3).strip())) {
          stale.add(
              root.relativize(page)
                  + " should show "
                  + snippet.group(1)
                  + "#"
                  + snippet.group(2)
                  + region.map(is -> ", which is now:\n" + is).orElse(", which does not exist"));
        }
      }
      if (SNIPPET_MARK.matcher(text).results().count() != seen) {
        stale.add(root.relativize(page) + " has a snippet mark that no code block follows");
      }
    }
    return stale;
  }

  private static Optional<String> region(Path source, String tag) throws IOException {
    if (!Files.exists(source)) {
      return Optional.empty();
    }
    List<String> lines = Files.readAllLines(source);
    List<Integer> begin = linesWith(lines, "tag::" + tag + "[]");
    List<Integer> end = linesWith(lines, "end::" + tag + "[]");
    if (begin.size() != 1 || end.size() != 1) {
      return Optional.empty();
    }
    return Optional.of(
        String.join("\n", lines.subList(begin.get(0) + 1, end.get(0)))
            .stripTrailing()
            .stripIndent()
            .strip());
  }

  private static List<Integer> linesWith(List<String> lines, String mark) {
    return Stream.iterate(0, line -> line < lines.size(), line -> line + 1)
        .filter(line -> lines.get(line).contains(mark))
        .toList();
  }

  @Test
  void links_leadSomewhere() throws IOException {
    assertThat(deadLinks(MainClasses.REACTOR.root())).isEmpty();
  }

  @Test
  void snippets_areTheCodeTheyName() throws IOException {
    assertThat(staleSnippets(MainClasses.REACTOR.root())).isEmpty();
  }

  @Test
  void deadLink_isFound(@TempDir Path root) throws IOException {
    Files.writeString(
        root.resolve("there.md"), "# A `heading`, here\n\n```\n[not a link](nowhere)\n```\n");
    Files.writeString(
        root.resolve("page.md"),
        """
        [file](there.md), [heading](there.md#a-heading-here), [web](https://example.org), [self](#top)
        [gone](gone.md), [no heading](there.md#gone), ![no picture](gone.png)

        # Top
        """);
    assertThat(deadLinks(root))
        .containsExactly(
            "page.md links to gone.md",
            "page.md links to there.md#gone",
            "page.md links to gone.png");
  }

  @Test
  void staleSnippet_isFound(@TempDir Path root) throws IOException {
    Files.writeString(
        root.resolve("A.java"),
        "class A {\n  // tag::x[]\n  int a;\n    int b;\n\n  // end::x[]\n}\n");
    Files.writeString(
        root.resolve("fresh.md"), "<!-- snippet: A.java#x -->\n```java\nint a;\n  int b;\n```\n");
    assertThat(staleSnippets(root)).isEmpty();
    Files.writeString(
        root.resolve("stale.md"), "<!-- snippet: A.java#x -->\n```java\nint a;\n```\n");
    Files.writeString(
        root.resolve("wrong.md"), "<!-- snippet: A.java#y -->\n```java\nint a;\n```\n");
    Files.writeString(root.resolve("mark.md"), "<!-- snippet: A.java#x -->\ntext\n");
    assertThat(staleSnippets(root))
        .hasSize(3)
        .anyMatch(stale -> stale.startsWith("stale.md should show A.java#x, which is now:\nint a;"))
        .anyMatch(stale -> stale.startsWith("wrong.md should show A.java#y, which does not exist"))
        .anyMatch(stale -> stale.startsWith("mark.md has a snippet mark"));
  }
}
