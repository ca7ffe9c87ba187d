package dev.pgbelay.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * What a postmaster that was killed leaves behind: a segment of shared memory, of which a machine
 * has 4,096 in all. One that ends by itself removes it together with its file.
 */
final class SharedMemory {
  private static final Path SEGMENTS = Path.of("/proc/sysvipc/shm");

  private SharedMemory() {}

  /** The seventh line of the file is the key and the id of the segment. */
  static void remove(Path pidFile) throws IOException {
    if (!Files.exists(pidFile) || !Files.exists(SEGMENTS)) {
      return;
    }
    List<String> lines = Files.readAllLines(pidFile);
    if (lines.size() < 7) {
      return;
    }
    String[] keyAndId = lines.get(6).trim().split("\\s+", -1);
    if (keyAndId.length == 2 && isAbandoned(keyAndId[0], keyAndId[1])) {
      ServerProcess.shell("ipcrm -m " + keyAndId[1]);
    }
  }

  /** An id is used again after a start of the machine; a key and nobody attached make it ours. */
  private static boolean isAbandoned(String key, String id) throws IOException {
    for (String segment : Files.readAllLines(SEGMENTS)) {
      String[] columns = segment.trim().split("\\s+", -1);
      if (columns.length > 6 && columns[0].equals(key) && columns[1].equals(id)) {
        return columns[6].equals("0");
      }
    }
    return false;
  }
}
