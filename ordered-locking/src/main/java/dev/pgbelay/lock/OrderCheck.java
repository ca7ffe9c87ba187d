package dev.pgbelay.lock;

import dev.pgbelay.lock.LockRefusedException.Reason;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Puts what is asked for in the order, and refuses what would go down it. */
final class OrderCheck {
  /** What is asked for of one class, in the strongest mode that any of it was asked for in. */
  record Request(int rank, LockClass lockClass, List<Resource> resources) {}

  /** What is to be sent for one class, and which of it is not held yet. */
  record Step(Request request, List<Resource> sent, List<Resource> fresh) {}

  /** What is held already, and what is to be sent, in order. */
  record Plan(List<Resource> held, List<Step> steps) {}

  private OrderCheck() {}

  /** By class, in the order of their ranks, each resource once. */
  static List<Request> requests(LockOrder order, Collection<Resource> resources) {
    Map<LockClass, Request> byClass = new HashMap<>();
    Set<Resource> seen = new HashSet<>();
    for (Resource resource : resources) {
      LockClass asked = resource.lockClass();
      int rank = order.rank(asked);
      Request request = byClass.get(asked);
      if (request == null) {
        request = new Request(rank, asked, new ArrayList<>());
        byClass.put(asked, request);
      } else if (asked.mode().compareTo(request.lockClass().mode()) > 0) {
        request = new Request(rank, asked, request.resources());
        byClass.put(asked, request);
      }
      if (seen.add(resource)) {
        request.resources().add(resource);
      }
    }
    List<Request> sorted = new ArrayList<>(byClass.values());
    sorted.sort(Comparator.comparingInt(Request::rank));
    return sorted;
  }

  /**
   * @param reading whether rows are read, also those that are held
   * @throws LockRefusedException if something would go down the order, going by what is remembered
   */
  static Plan plan(LockOrder order, List<Request> requests, HeldLocks held, boolean reading) {
    if (held.hasUnknown()) {
      throw new LockRefusedException(
          Reason.ORDER_NOT_KNOWN,
          "an acquire of this transaction has failed when its rows were locked and had to be read, so what it holds is not known; roll back to a savepoint before it, or the transaction");
    }
    if (held.order().isPresent() && held.order().get() != order) {
      throw new LockRefusedException(
          Reason.OTHER_ORDER,
          "this transaction has locked through another LockOrder, and nothing says which of the two comes first; declare one order for all that a transaction locks");
    }
    Plan plan = new Plan(new ArrayList<>(), new ArrayList<>());
    for (Request request : requests) {
      List<Resource> fresh = held.isEmpty() ? request.resources() : fresh(request, held, plan);
      boolean reads = reading && !request.lockClass().isOfNames();
      if (!fresh.isEmpty() || reads) {
        plan.steps().add(new Step(request, reads ? request.resources() : fresh, fresh));
      }
    }
    return plan;
  }

  private static List<Resource> fresh(Request request, HeldLocks held, Plan plan) {
    LockMode mode = request.lockClass().mode();
    List<Resource> fresh = new ArrayList<>();
    for (Resource resource : request.resources()) {
      switch (held.relation(resource, request.rank(), mode)) {
        case AHEAD -> fresh.add(resource);
        case HELD -> plan.held().add(resource);
        case WEAKER ->
            throw refusal(
                Reason.STRONGER_MODE,
                resource,
                "is held in a weaker mode than "
                    + mode
                    + ", and two transactions that both make theirs stronger wait for each other; acquire it in the strongest mode from the start");
        case DOWN ->
            throw refusal(
                Reason.DOWN_THE_ORDER,
                resource,
                "comes before what this transaction holds already; acquire both in one call, or this one first");
        case NOT_KNOWN ->
            throw refusal(
                Reason.ORDER_NOT_KNOWN,
                resource,
                "is of a class of which others are held already, and only the server can compare such keys; acquire all of them in one call");
      }
    }
    return fresh;
  }

  private static LockRefusedException refusal(Reason reason, Resource resource, String why) {
    return new LockRefusedException(reason, resource + " " + why);
  }
}
