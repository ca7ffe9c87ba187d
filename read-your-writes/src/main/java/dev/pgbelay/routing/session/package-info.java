/** What users wrote and saw, kept on the server's side between their requests. */
@NullMarked
package dev.pgbelay.routing.session;

import org.jspecify.annotations.NullMarked;
