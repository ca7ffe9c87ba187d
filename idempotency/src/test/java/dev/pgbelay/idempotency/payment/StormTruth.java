package dev.pgbelay.idempotency.payment;

import dev.pgbelay.idempotency.testing.FakeCharge;
import dev.pgbelay.idempotency.testing.FakeCharge.State;
import dev.pgbelay.idempotency.testing.FakeProvider;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jooq.DSLContext;

/** What happened at the providers, beside what the database and the callers say; at one moment. */
final class StormTruth {
  /** A payment as it stands in its table. */
  record Payment(
      StormRegime regime,
      String key,
      OpenPayment.State state,
      Optional<String> asked,
      Optional<String> response) {
    String name() {
      return regime + "/" + key;
    }
  }

  private final int expected;
  private final Map<String, List<FakeCharge>> charges = new HashMap<>();
  private final List<Payment> payments;
  private final Map<String, List<String>> ledger;
  private final Map<String, List<String>> receipts;

  /** The providers are asked first: a payment may know more than they knew then, never less. */
  StormTruth(DSLContext dsl, Collection<FakeProvider> providers, int expected) {
    this.expected = expected;
    providers.forEach(
        provider ->
            provider
                .charges()
                .forEach(
                    charge ->
                        charges
                            .computeIfAbsent(charge.reference(), any -> new ArrayList<>())
                            .add(charge)));
    this.payments =
        dsl.fetch("select operation, key, state, asked, response from pgbelay.payment")
            .map(
                row ->
                    new Payment(
                        StormRegime.of(row.get("operation", String.class)),
                        row.get("key", String.class),
                        OpenPayment.State.valueOf(row.get("state", String.class)),
                        Optional.ofNullable(row.get("asked", String.class)),
                        Optional.ofNullable(row.get("response", byte[].class))
                            .map(bytes -> new String(bytes, StandardCharsets.UTF_8))));
    this.ledger =
        rows(dsl, "select operation, key, charge || ' and ' || courier as what from ledger");
    this.receipts = rows(dsl, "select operation, key, response as what from receipt");
  }

  private static Map<String, List<String>> rows(DSLContext dsl, String query) {
    return dsl.fetch(query).stream()
        .collect(
            Collectors.groupingBy(
                row ->
                    StormRegime.of(row.get("operation", String.class))
                        + "/"
                        + row.get("key", String.class),
                Collectors.mapping(row -> row.get("what", String.class), Collectors.toList())));
  }

  List<Payment> in(OpenPayment.State state) {
    return payments.stream().filter(payment -> payment.state() == state).toList();
  }

  private List<FakeCharge> of(Payment payment, String what) {
    return charges.getOrDefault(
        StormBank.reference(payment.regime(), payment.key(), what), List.of());
  }

  private List<FakeCharge> taken(Payment payment, String what) {
    return of(payment, what).stream().filter(FakeCharge::hasTakenEffect).toList();
  }

  /** Every key has its answer, or is unknown and the provider never did what it was asked for. */
  boolean isAtRest() {
    return payments.size() == expected && payments.stream().allMatch(this::isAtRest);
  }

  private boolean isAtRest(Payment payment) {
    if (payment.state() != OpenPayment.State.UNKNOWN) {
      return payment.state() == OpenPayment.State.COMPLETED;
    }
    String asked = payment.asked().orElse("");
    return payment.regime() != StormRegime.KEYED
        && (asked.equals(StormShop.REFUNDED.name())
            ? of(payment, StormBank.CHARGE).stream()
                .noneMatch(charge -> charge.state() == State.REFUNDED)
            : of(payment, asked).isEmpty());
  }

  /** References for which money was taken more than once, by regime. */
  Map<StormRegime, Long> doubleCharges() {
    return charges.entrySet().stream()
        .filter(each -> each.getValue().stream().filter(FakeCharge::hasTakenEffect).count() > 1)
        .collect(
            Collectors.groupingBy(
                each -> StormRegime.valueOf(each.getKey().substring(0, each.getKey().indexOf('/'))),
                TreeMap::new,
                Collectors.counting()));
  }

  /** Payments that are in the ledger more than once. */
  long doubleBookings() {
    return ledger.values().stream().filter(rows -> rows.size() > 1).count();
  }

  /** Outcomes by regime. */
  Map<String, Long> outcomes() {
    return payments.stream()
        .collect(
            Collectors.groupingBy(
                payment ->
                    payment.regime()
                        + " "
                        + payment
                            .response()
                            .map(
                                text ->
                                    text.substring(
                                        0, text.indexOf(text.startsWith("paid") ? ' ' : ':')))
                            .orElse(payment.state() + " " + payment.asked().orElse("")),
                TreeMap::new,
                Collectors.counting()));
  }

  /**
   * What must not be.
   *
   * @param answers that callers were given, by payment
   */
  List<String> violations(Map<String, Set<String>> answers) {
    List<String> found = new ArrayList<>();
    doubleCharges().forEach((regime, count) -> found.add(count + " double charges, " + regime));
    if (payments.size() != expected) {
      found.add(payments.size() + " payments instead of " + expected);
    }
    Set<String> references =
        payments.stream()
            .flatMap(
                payment ->
                    List.of(StormBank.CHARGE, StormBank.COURIER).stream()
                        .map(what -> payment.name() + "/" + what))
            .collect(Collectors.toSet());
    charges.keySet().stream()
        .filter(reference -> !references.contains(reference))
        .forEach(reference -> found.add("a charge without a payment: " + reference));
    for (Payment payment : payments) {
      Optional<String> wrong = wrong(payment);
      wrong.ifPresent(
          what -> found.add(payment + ": " + what + ", at the provider " + charges(payment)));
      Set<String> told = answers.getOrDefault(payment.name(), Set.of());
      if (!told.isEmpty() && !told.equals(Set.of(payment.response().orElse("none")))) {
        found.add(payment + ": callers were told " + told);
      }
    }
    return found;
  }

  private List<FakeCharge> charges(Payment payment) {
    List<FakeCharge> all = new ArrayList<>(of(payment, StormBank.CHARGE));
    all.addAll(of(payment, StormBank.COURIER));
    return all;
  }

  private Optional<String> wrong(Payment payment) {
    List<FakeCharge> charge = taken(payment, StormBank.CHARGE);
    List<FakeCharge> courier = taken(payment, StormBank.COURIER);
    List<String> booked = ledger.getOrDefault(payment.name(), List.of());
    List<String> receipt = receipts.getOrDefault(payment.name(), List.of());
    boolean refunded = charge.stream().anyMatch(each -> each.state() == State.REFUNDED);
    if (!receipt.equals(payment.response().map(List::of).orElse(List.of()))) {
      return Optional.of("receipts " + receipt);
    }
    String response = payment.response().orElse("");
    if (response.startsWith("paid")) {
      return charge.size() == 1
              && courier.size() == 1
              && !refunded
              && response.equals(StormShop.paid(charge.get(0).id(), courier.get(0).id()))
              && booked.equals(List.of(charge.get(0).id() + " and " + courier.get(0).id()))
          ? Optional.empty()
          : Optional.of("booked " + booked);
    }
    if (!booked.isEmpty()) {
      return Optional.of("booked, but not paid");
    }
    if (payment.state() == OpenPayment.State.COMPLETED) {
      return courier.isEmpty() && (charge.isEmpty() || refunded)
          ? Optional.empty()
          : Optional.of("refused, but money was taken");
    }
    return payment.state() == OpenPayment.State.UNKNOWN && isAtRest(payment) && courier.isEmpty()
        ? Optional.empty()
        : Optional.of("neither answered nor unknown");
  }
}
