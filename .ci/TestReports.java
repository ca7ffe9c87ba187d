import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.xml.stream.XMLInputFactory;
import javax.xml.stream.XMLStreamConstants;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamReader;

/**
 * Reads what surefire wrote and refuses the two ways in which tests disappear without anybody
 * noticing: a test class in which no test was discovered, and a skipped test that does not say why.
 * Run as a source file, by the build and by {@code .ci/run}:
 *
 * <pre>
 * java .ci/TestReports.java module DIR started=INSTANT [skipTests=true] [maven.test.skip=true] [test=PATTERN] [groups=…]
 * java .ci/TestReports.java totals DIR started=INSTANT
 * </pre>
 *
 * <p>{@code module} checks the one module in DIR; {@code totals} adds up every module below DIR and
 * lists the skipped tests. Reports older than {@code started} are of an earlier run and are not
 * counted.
 */
public final class TestReports {
  /** What JUnit writes when the annotation or the assumption gave no reason of its own. */
  private static final Pattern NO_REASON =
      Pattern.compile(
          "(?s)\\s*|.* is @Disabled\\s*|Assumption failed(: assumption is (not )?(true|false))?\\s*|org\\.opentest4j\\S*\\s*");

  private static final Set<String> TEST_ANNOTATIONS =
      Set.of(
          "Lorg/junit/jupiter/api/Test;",
          "Lorg/junit/jupiter/api/RepeatedTest;",
          "Lorg/junit/jupiter/api/TestFactory;",
          "Lorg/junit/jupiter/api/TestTemplate;",
          "Lorg/junit/jupiter/params/ParameterizedTest;");

  private record TestCase(
      String className, String name, String skippedBecause, boolean skipped, boolean failed) {}

  private record TestClass(String name, boolean concrete, boolean hasTestMethods) {
    /**
     * A fixture is a class that a test runs through JUnit's launcher, to look at what comes of it.
     */
    boolean isFixture() {
      return List.of(name.split("\\$")).stream().anyMatch(part -> part.endsWith("Fixture"));
    }

    boolean isNamedTest() {
      return name.endsWith("Test");
    }
  }

  private TestReports() {}

  public static void main(String[] args) throws IOException {
    if (args.length < 2) {
      System.err.println(
          "usage: java TestReports.java module|totals DIR [started=INSTANT] [NAME=VALUE]...");
      System.exit(2);
    }
    Map<String, String> given = new HashMap<>();
    for (String arg : List.of(args).subList(2, args.length)) {
      int equals = arg.indexOf('=');
      String value = arg.substring(equals + 1);
      // Maven leaves a property that nobody set as it stands.
      if (!value.isEmpty() && !value.startsWith("${")) {
        given.put(arg.substring(0, equals), value);
      }
    }
    Instant started = Instant.parse(given.getOrDefault("started", Instant.EPOCH.toString()));
    Path dir = Path.of(args[1]);
    List<String> complaints =
        switch (args[0]) {
          case "module" -> module(dir, started, given);
          case "totals" -> totals(dir, started);
          default ->
              throw new IllegalArgumentException("module or totals expected, not " + args[0]);
        };
    if (!complaints.isEmpty()) {
      complaints.forEach(complaint -> System.err.println("[ERROR] " + complaint));
      System.exit(1);
    }
  }

  private static List<String> module(Path module, Instant started, Map<String, String> given)
      throws IOException {
    Path classes = module.resolve("target/test-classes");
    if (!Files.isDirectory(classes)) {
      return List.of();
    }
    for (String name : List.of("skipTests", "maven.test.skip", "test", "groups")) {
      String value = given.get(name);
      if (value != null && !value.equals("false")) {
        System.out.println(
            "[INFO] Test reports not checked: only a part of the tests was asked for ("
                + name
                + "="
                + value
                + ").");
        return List.of();
      }
    }
    List<TestCase> cases = read(module.resolve("target/surefire-reports"), started);
    Set<String> seen = new HashSet<>();
    for (TestCase testCase : cases) {
      seen.add(testCase.className());
    }
    List<String> complaints = new ArrayList<>();
    for (TestClass testClass : testClasses(classes)) {
      if (!testClass.concrete() || testClass.isFixture() || seen.contains(testClass.name())) {
        continue;
      }
      boolean seenNested = seen.stream().anyMatch(name -> name.startsWith(testClass.name() + "$"));
      if (testClass.isNamedTest() && !seenNested) {
        complaints.add(
            testClass.name()
                + " is named like a test class, but no test was discovered in it: add tests (not private, annotated),"
                + " or another name.");
      } else if (testClass.hasTestMethods()) {
        complaints.add(
            testClass.name()
                + " has test methods, but surefire did not run it: its name must end in Test, and a nested class needs"
                + " @Nested and must not be static.");
      }
    }
    for (TestCase testCase : cases) {
      if (testCase.skipped() && NO_REASON.matcher(testCase.skippedBecause()).matches()) {
        complaints.add(
            testCase.className()
                + "."
                + testCase.name()
                + " was skipped without a reason: say why, in @Disabled(\"…\") or in the"
                + " message of the assumption.");
      }
    }
    return complaints;
  }

  private static List<String> totals(Path root, Instant started) throws IOException {
    List<TestCase> all = new ArrayList<>();
    for (Path reports : reportDirectories(root)) {
      all.addAll(read(reports, started));
    }
    List<TestCase> skipped = all.stream().filter(TestCase::skipped).toList();
    long failed = all.stream().filter(TestCase::failed).count();
    if (!skipped.isEmpty()) {
      System.out.println("[INFO] Skipped tests, and why:");
      for (TestCase testCase : skipped) {
        System.out.println(
            "[INFO]   "
                + testCase.className()
                + "."
                + testCase.name()
                + ": "
                + testCase.skippedBecause().strip().replace('\n', ' '));
      }
    }
    System.out.println(
        (all.size() - failed - skipped.size())
            + " passed, "
            + failed
            + " failed, "
            + skipped.size()
            + " skipped");
    return List.of();
  }

  private static List<Path> reportDirectories(Path root) throws IOException {
    try (Stream<Path> paths = Files.walk(root, 4)) {
      return paths
          .filter(path -> path.endsWith("target/surefire-reports") && Files.isDirectory(path))
          .sorted()
          .toList();
    }
  }

  private static List<TestCase> read(Path reports, Instant started) throws IOException {
    List<TestCase> cases = new ArrayList<>();
    if (!Files.isDirectory(reports)) {
      return cases;
    }
    try (Stream<Path> files = Files.list(reports)) {
      for (Path file :
          files
              .filter(path -> path.getFileName().toString().matches("TEST-.*\\.xml"))
              .sorted()
              .toList()) {
        if (!Files.getLastModifiedTime(file).toInstant().isBefore(started)) {
          readReport(file, cases);
        }
      }
    }
    return cases;
  }

  private static void readReport(Path file, List<TestCase> cases) throws IOException {
    XMLInputFactory factory = XMLInputFactory.newFactory();
    factory.setProperty(XMLInputFactory.SUPPORT_DTD, false);
    try (InputStream in = Files.newInputStream(file)) {
      XMLStreamReader xml = factory.createXMLStreamReader(in);
      String className = "";
      String name = "";
      String skippedBecause = null;
      boolean failed = false;
      while (xml.hasNext()) {
        int event = xml.next();
        if (event == XMLStreamConstants.START_ELEMENT) {
          switch (xml.getLocalName()) {
            case "testcase" -> {
              className = String.valueOf(xml.getAttributeValue(null, "classname"));
              name = String.valueOf(xml.getAttributeValue(null, "name"));
              skippedBecause = null;
              failed = false;
            }
            case "skipped" -> {
              String message = xml.getAttributeValue(null, "message");
              // An aborted test has no message there, only the exception and where it came from.
              skippedBecause = message == null ? reasonOf(xml.getElementText()) : message;
            }
            case "failure", "error" -> failed = true;
            default -> {}
          }
        } else if (event == XMLStreamConstants.END_ELEMENT
            && xml.getLocalName().equals("testcase")) {
          boolean skipped = skippedBecause != null;
          cases.add(new TestCase(className, name, skipped ? skippedBecause : "", skipped, failed));
        }
      }
    } catch (XMLStreamException e) {
      throw new IOException(
          file + " is not a surefire report that can be read: " + e.getMessage(), e);
    }
  }

  private static String reasonOf(String stackTrace) {
    String firstLine = stackTrace.strip().lines().findFirst().orElse("");
    return firstLine.replaceFirst("^[\\w.$]+: ", "");
  }

  private static List<TestClass> testClasses(Path classes) throws IOException {
    try (Stream<Path> files = Files.walk(classes)) {
      return files
          .filter(path -> path.toString().endsWith(".class"))
          .filter(
              path -> !path.endsWith("package-info.class") && !path.endsWith("module-info.class"))
          .sorted()
          .map(TestReports::testClass)
          .toList();
    }
  }

  /**
   * Reads only as much of a class file as its constant pool and its access flags (JVM
   * specification, chapter 4).
   */
  private static TestClass testClass(Path file) {
    try (DataInputStream in =
        new DataInputStream(new BufferedInputStream(Files.newInputStream(file)))) {
      in.skipNBytes(8);
      int size = in.readUnsignedShort();
      Map<Integer, String> texts = new HashMap<>();
      Map<Integer, Integer> classes = new HashMap<>();
      for (int index = 1; index < size; index++) {
        int tag = in.readUnsignedByte();
        switch (tag) {
          case 1 -> texts.put(index, in.readUTF());
          case 7 -> classes.put(index, in.readUnsignedShort());
          case 8, 16, 19, 20 -> in.skipNBytes(2);
          case 15 -> in.skipNBytes(3);
          case 3, 4, 9, 10, 11, 12, 17, 18 -> in.skipNBytes(4);
          case 5, 6 -> {
            in.skipNBytes(8);
            index++; // takes two places
          }
          default -> throw new IOException("unknown constant pool tag " + tag + " in " + file);
        }
      }
      int access = in.readUnsignedShort();
      String name = texts.get(classes.get(in.readUnsignedShort())).replace('/', '.');
      boolean abstractOrInterface = (access & (0x0200 | 0x0400)) != 0;
      boolean hasTestMethods = texts.values().stream().anyMatch(TEST_ANNOTATIONS::contains);
      return new TestClass(name, !abstractOrInterface, hasTestMethods);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
