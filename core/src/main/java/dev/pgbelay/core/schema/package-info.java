/** Installing the tables of pgbelay's modules, and running DDL on a database that is being used. */
@NullMarked
package dev.pgbelay.core.schema;

import org.jspecify.annotations.NullMarked;
