package dev.pgbelay.keyset;

import java.util.ArrayList;
import java.util.List;

/**
 * Everything about a page that decides its SQL text, apart from the limits. There are few shapes: a
 * position, a direction, and which of the position's values are NULL.
 *
 * @param keyCount how many leading keys the position has; 0 for none
 * @param nullKeys a bit for each key of the position that is NULL
 * @param inclusive whether the position's own row belongs to the page
 */
record PageShape(
    boolean backward,
    boolean around,
    int keyCount,
    int nullKeys,
    boolean inclusive,
    boolean bothEnds,
    boolean counted) {

  static PageShape of(PageRequest request, Boundary boundary) {
    boolean backward =
        request.position() == PageRequest.Position.BEFORE
            || request.position() == PageRequest.Position.LAST;
    boolean around = request.position() == PageRequest.Position.AROUND;
    return new PageShape(
        backward,
        around,
        boundary.length(),
        nullKeys(boundary),
        boundary.isInclusive(),
        request.bothEnds() && boundary.length() > 0 && !around,
        request.countCap().isPresent());
  }

  /** Forward from behind a position, or from the start. */
  static PageShape after(Boundary position) {
    return new PageShape(
        false, false, position.length(), nullKeys(position), position.isInclusive(), false, false);
  }

  private static int nullKeys(Boundary position) {
    int nullKeys = 0;
    for (int k = 0; k < position.length(); k++) {
      nullKeys |= position.key(k) == null ? 1 << k : 0;
    }
    return nullKeys;
  }

  /** Whether the statement answers more than the page's rows, in columns behind theirs. */
  boolean hasExtras() {
    return around || bothEnds || counted;
  }

  List<SeekBranch> branches(List<SortKey> keys) {
    return branches(keys, backward, inclusive);
  }

  /** For a page around a position: the rows before it. */
  List<SeekBranch> branchesBefore(List<SortKey> keys) {
    return branches(keys, true, false);
  }

  /** What lies on the side where the request came from, seen from the page. */
  List<SeekBranch> branchesOtherEnd(List<SortKey> keys) {
    return branches(keys, !backward, !inclusive);
  }

  private List<SeekBranch> branches(List<SortKey> keys, boolean back, boolean at) {
    if (keyCount == 0) {
      return List.of(SeekBranch.everything());
    }
    List<SortKey> walked = new ArrayList<>();
    for (SortKey key : keys) {
      walked.add(back ? key.flipped() : key);
    }
    boolean[] isNull = new boolean[keyCount];
    for (int k = 0; k < keyCount; k++) {
      isNull[k] = (nullKeys & 1 << k) != 0;
    }
    return SeekBranch.beyond(walked, isNull, at);
  }
}
