package dev.pgbelay.benchmarks.routing;

import dev.pgbelay.routing.ReadYourWrites;

/** A session of its own. */
record RoutedVisitor(RoutedAccess access) implements PrimaryShare.Visitor {
  static RoutedVisitor of(ReadYourWrites db) {
    return new RoutedVisitor(new RoutedAccess(db, db.session()));
  }

  @Override
  public boolean readFromPrimary() {
    return !access.session().lastDecision().orElseThrow().reason().isReplica();
  }
}
