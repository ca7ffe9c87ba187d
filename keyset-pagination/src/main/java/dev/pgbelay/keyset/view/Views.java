package dev.pgbelay.keyset.view;

import dev.pgbelay.keyset.Page;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Parts that both views share. */
final class Views {
  private Views() {}

  static @Nullable Boolean exists(Page.Neighbour neighbour) {
    return switch (neighbour) {
      case SOME -> Boolean.TRUE;
      case NONE -> Boolean.FALSE;
      case NOT_ASKED -> null;
    };
  }

  static PageView.CountView count(Page.Count count) {
    return new PageView.CountView(
        Long.toString(count.rows()), count.precision().name().toLowerCase(Locale.ROOT));
  }
}
