package dev.pgbelay.testing;

import javax.sql.DataSource;

/**
 * Fills the template from which the databases of test classes are copied: the schema, and data that
 * every test wants. Runs once per JVM; the pool it gets is closed afterwards, because a template
 * cannot be copied while somebody is connected to it.
 */
@FunctionalInterface
public interface TemplateInitializer {
  /**
   * Fills the template.
   *
   * @throws Exception whatever went wrong; the test class fails with it
   */
  void initialize(DataSource dataSource) throws Exception;
}
