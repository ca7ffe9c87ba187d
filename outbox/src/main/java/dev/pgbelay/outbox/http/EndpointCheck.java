package dev.pgbelay.outbox.http;

import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Whether a request may go to an endpoint: by its address as it is written, and as it resolves. */
record EndpointCheck(boolean plainHttp, boolean privateAddresses, Resolver resolver) {
  /** Finds the addresses of a host. */
  @FunctionalInterface
  interface Resolver {
    List<InetAddress> resolve(String host) throws UnknownHostException;
  }

  static final Resolver OF_THE_JVM = host -> List.of(InetAddress.getAllByName(host));

  /** Why not; null if it may. Says nothing of path and query. */
  @Nullable String refusal(URI uri) throws UnknownHostException {
    String scheme = uri.getScheme() == null ? "" : uri.getScheme().toLowerCase(Locale.ROOT);
    String host = uri.getHost();
    if (!(scheme.equals("https") || (plainHttp && scheme.equals("http")))) {
      return "the endpoint's scheme is '"
          + scheme
          + "': must be https"
          + (plainHttp ? " or http" : ", or allow http with allowPlainHttp()");
    }
    if (host == null
        || host.isEmpty()
        || uri.getRawUserInfo() != null
        || uri.getFragment() != null) {
      return "the endpoint's URI has no host, or has a user or a fragment";
    }
    if (privateAddresses) {
      return null;
    }
    // Of several addresses the client may take any.
    for (InetAddress address : resolver.resolve(host)) {
      if (!PublicAddresses.contains(address)) {
        return "host " + host + " has an address that is not public";
      }
    }
    return null;
  }
}
