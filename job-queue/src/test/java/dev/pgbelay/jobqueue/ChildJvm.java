package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A JVM of its own, for what is to be seen of the whole log of a process. */
final class ChildJvm {
  private ChildJvm() {}

  /** Everything that it says, once it has ended well. */
  static String output(Class<?> main, List<String> properties, String... arguments)
      throws Exception {
    Path log = Files.createTempFile("pgbelay-child", ".log");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-XX:TieredStopAtLevel=1", "-Xmx128m", "-Dorg.jooq.no-logo=true"));
    command.add("-Dorg.jooq.no-tips=true");
    properties.forEach(property -> command.add("-D" + property));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(List.of(arguments));
    Process jvm =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    try {
      boolean ended = jvm.waitFor(5, TimeUnit.MINUTES);
      String said = Files.readString(log);
      assertThat(ended).as(said).isTrue();
      assertThat(jvm.exitValue()).as(said).isZero();
      return said;
    } finally {
      jvm.destroyForcibly();
      Files.delete(log);
    }
  }
}
