package dev.pgbelay.idempotency.fingerprint;

import dev.pgbelay.idempotency.fingerprint.UnfitRequestException.Reason;
import java.text.Normalizer;

/** Texts in Unicode's normal form C: é is one text, whether written as one character or as two. */
final class CanonicalText {
  /** Marks in a row are sorted by insertion: a million of them would take minutes. */
  private static final int MOST_MARKS = 256;

  private CanonicalText() {}

  static String of(String text) {
    int marks = 0;
    for (int i = 0; i < text.length(); ) {
      int codePoint = text.codePointAt(i);
      if (codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE) {
        throw new UnfitRequestException(
            Reason.NOT_UNICODE,
            "a text holds half of a surrogate pair at character " + i + ": it is not Unicode");
      }
      marks = isMark(codePoint) ? marks + 1 : 0;
      if (marks > MOST_MARKS) {
        throw new UnfitRequestException(
            Reason.NOT_UNICODE,
            "a text has more than %d combining marks in a row at character %d: no language does"
                .formatted(MOST_MARKS, i));
      }
      i += Character.charCount(codePoint);
    }
    return Normalizer.normalize(text, Normalizer.Form.NFC);
  }

  private static boolean isMark(int codePoint) {
    int type = Character.getType(codePoint);
    return type == Character.NON_SPACING_MARK
        || type == Character.COMBINING_SPACING_MARK
        || type == Character.ENCLOSING_MARK;
  }
}
