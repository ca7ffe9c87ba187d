package dev.pgbelay.core.schema;

/**
 * One numbered script of one module, as it stands in the module's jar.
 *
 * <p>Immutable and safe for several threads.
 *
 * @param module the module's package segment, such as {@code jobqueue}
 * @param number 1 for the module's first script, without gaps
 * @param name the file name in the jar, such as {@code 0001_job.sql}
 * @param checksum SHA-256 in hexadecimal of the text with LF line ends and the placeholder
 *     unreplaced, so that it is the same in every schema
 * @param sql the text with the schema's quoted name in place of the placeholder
 */
public record SchemaScript(String module, int number, String name, String checksum, String sql) {

  @Override
  public String toString() {
    return module + "/" + name;
  }
}
