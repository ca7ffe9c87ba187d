/**
 * What design and build demand of every module, as tests. They stand in examples because examples
 * sees every module. Each rule has a test that shows it can fail, on code under {@code fixture}.
 */
@NullMarked
package dev.pgbelay.examples.architecture;

import org.jspecify.annotations.NullMarked;
