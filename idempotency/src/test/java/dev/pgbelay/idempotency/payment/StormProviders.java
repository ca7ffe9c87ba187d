package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.idempotency.testing.FakeProvider;
import dev.pgbelay.idempotency.testing.FakeProviderClient;
import dev.pgbelay.idempotency.testing.ProviderFault;
import java.net.URI;
import java.net.http.HttpClient;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Collection;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;

/**
 * A provider of each regime; four in ten of the requests that would change something meet a fault.
 */
final class StormProviders implements AutoCloseable {
  private static final double HEALTHY = 0.6;
  private static final Duration HELD = Duration.ofMillis(800);
  private static final Duration ANSWER = Duration.ofSeconds(30);

  private final Random random;
  private final Map<StormRegime, FakeProvider> providers = new EnumMap<>(StormRegime.class);
  private final Map<StormRegime, URI> uris = new EnumMap<>(StormRegime.class);
  private final Map<ProviderFault, Integer> faults = new EnumMap<>(ProviderFault.class);
  private boolean calm;

  StormProviders(Random random) {
    this.random = random;
    for (StormRegime regime : StormRegime.values()) {
      FakeProvider.Builder builder = FakeProvider.builder(InstantSource.system()).holdFor(HELD);
      FakeProvider provider = (regime.honoursKeys ? builder : builder.withoutKeys()).start();
      provider.otherwise(this::draw);
      providers.put(regime, provider);
      uris.put(regime, provider.uri());
    }
  }

  private synchronized ProviderFault draw() {
    if (calm) {
      return ProviderFault.NONE;
    }
    List<ProviderFault> kinds = List.of(ProviderFault.values());
    ProviderFault fault =
        random.nextDouble() < HEALTHY
            ? ProviderFault.NONE
            : kinds.get(random.nextInt(kinds.size()));
    faults.merge(fault, 1, Integer::sum);
    return fault;
  }

  /** No faults from now on. */
  synchronized void calmDown() {
    calm = true;
  }

  synchronized int count(ProviderFault fault) {
    return faults.getOrDefault(fault, 0);
  }

  Map<StormRegime, URI> uris() {
    return uris;
  }

  Collection<FakeProvider> all() {
    return providers.values();
  }

  FakeProvider of(StormRegime regime) {
    return Objects.requireNonNull(providers.get(regime));
  }

  FakeProviderClient client(StormRegime regime) {
    return new FakeProviderClient(HttpClient.newHttpClient(), of(regime).uri(), ANSWER);
  }

  boolean nothingHeld() {
    return all().stream().allMatch(provider -> provider.held() == 0);
  }

  /** Returns behind everything that was sent before: the dead may have left requests unread. */
  void readWhatWasSent() throws Exception {
    for (StormRegime regime : StormRegime.values()) {
      for (int i = 0; i < 2; i++) {
        assertThat(client(regime).byKey("nobody's")).isEmpty();
      }
    }
  }

  @Override
  public void close() {
    all().forEach(FakeProvider::close);
  }
}
