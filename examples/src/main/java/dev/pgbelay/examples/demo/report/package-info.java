/** What the demo reports: figures, pictures, and the files and tables they end in. */
@NullMarked
package dev.pgbelay.examples.demo.report;

import org.jspecify.annotations.NullMarked;
