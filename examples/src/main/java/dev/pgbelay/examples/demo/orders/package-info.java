/** The demo's data: a shop's orders, shaped as production data is. */
@NullMarked
package dev.pgbelay.examples.demo.orders;

import org.jspecify.annotations.NullMarked;
