/** Pages as clients see them: plain records that any JSON library writes alike. */
@NullMarked
package dev.pgbelay.keyset.view;

import org.jspecify.annotations.NullMarked;
