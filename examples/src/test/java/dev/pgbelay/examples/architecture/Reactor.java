package dev.pgbelay.examples.architecture;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.xml.sax.SAXException;

/** The modules as the poms declare them, read anew so that no module can be forgotten here. */
record Reactor(Path root, List<Module> modules) {

  /** One module: its folder as the parent names it, and what its pom says. */
  record Module(
      String name,
      Path dir,
      String artifactId,
      String automaticModuleName,
      boolean published,
      List<Dependency> dependencies) {

    Path mainSources() {
      return dir.resolve("src/main/java");
    }

    List<Path> mainSourceFiles() {
      if (!Files.isDirectory(mainSources())) {
        return List.of();
      }
      try (Stream<Path> files = Files.walk(mainSources())) {
        return files.filter(file -> file.toString().endsWith(".java")).sorted().toList();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  record Dependency(String groupId, String artifactId, String scope, boolean optional) {
    boolean isOfTests() {
      return scope.equals("test");
    }
  }

  static Reactor read() {
    Path dir = Path.of("").toAbsolutePath();
    while (!Files.isDirectory(dir.resolve(".mvn"))) {
      dir = Optional.ofNullable(dir.getParent()).orElseThrow();
    }
    List<Module> modules = new ArrayList<>();
    addModules(dir, dir, modules);
    return new Reactor(dir, List.copyOf(modules));
  }

  private static void addModules(Path root, Path dir, List<Module> modules) {
    Element pom = parse(dir.resolve("pom.xml"));
    for (Element list : children(pom, "modules")) {
      for (Element module : children(list, "module")) {
        Path moduleDir = dir.resolve(module.getTextContent().strip()).normalize();
        Element modulePom = parse(moduleDir.resolve("pom.xml"));
        if (!text(modulePom, "packaging").equals("pom")) {
          modules.add(module(root, moduleDir, modulePom));
        }
        addModules(root, moduleDir, modules);
      }
    }
  }

  private static Module module(Path root, Path dir, Element pom) {
    boolean deployed =
        children(pom, "properties").stream()
            .noneMatch(properties -> text(properties, "maven.deploy.skip").equals("true"));
    List<Dependency> dependencies = new ArrayList<>();
    for (Element list : children(pom, "dependencies")) {
      for (Element dependency : children(list, "dependency")) {
        dependencies.add(
            new Dependency(
                text(dependency, "groupId"),
                text(dependency, "artifactId"),
                text(dependency, "scope"),
                text(dependency, "optional").equals("true")));
      }
    }
    return new Module(
        root.relativize(dir).toString(),
        dir,
        text(pom, "artifactId"),
        children(pom, "properties").stream()
            .map(properties -> text(properties, "automatic.module.name"))
            .findFirst()
            .orElse(""),
        deployed,
        List.copyOf(dependencies));
  }

  /** What the bom aligns the versions of. */
  List<String> artifactsInBom() {
    List<String> found = new ArrayList<>();
    for (Element management :
        children(parse(root.resolve("bom/pom.xml")), "dependencyManagement")) {
      for (Element list : children(management, "dependencies")) {
        children(list, "dependency").forEach(one -> found.add(text(one, "artifactId")));
      }
    }
    return found;
  }

  List<Module> published() {
    return modules.stream().filter(Module::published).toList();
  }

  Module module(String name) {
    return modules.stream()
        .filter(module -> module.name().equals(name))
        .findFirst()
        .orElseThrow(() -> new AssertionError("no module " + name + " in the parent's pom.xml"));
  }

  private static Element parse(Path pom) {
    try {
      return DocumentBuilderFactory.newDefaultInstance()
          .newDocumentBuilder()
          .parse(pom.toFile())
          .getDocumentElement();
    } catch (ParserConfigurationException | SAXException | IOException e) {
      throw new AssertionError("cannot read " + pom, e);
    }
  }

  private static List<Element> children(Element parent, String name) {
    List<Element> found = new ArrayList<>();
    for (Node node = parent.getFirstChild(); node != null; node = node.getNextSibling()) {
      if (node instanceof Element element && element.getTagName().equals(name)) {
        found.add(element);
      }
    }
    return found;
  }

  private static String text(Element parent, String name) {
    List<Element> found = children(parent, name);
    return found.isEmpty() ? "" : found.get(0).getTextContent().strip();
  }
}
