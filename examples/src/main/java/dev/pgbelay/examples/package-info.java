/** One short runnable class per pattern: the habit that breaks beside the safe form. */
@NullMarked
package dev.pgbelay.examples;

import org.jspecify.annotations.NullMarked;
