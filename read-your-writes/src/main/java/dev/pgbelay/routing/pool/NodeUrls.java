package dev.pgbelay.routing.pool;

import dev.pgbelay.core.PgBelayException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The driver's URLs taken apart: what names several hosts becomes one URL for each, because a pool
 * leads to one server, and which of them is the primary is asked.
 */
final class NodeUrls {
  private static final String SCHEME = "jdbc:postgresql://";
  private static final String DEFAULT_PORT = "5432";

  /** With room for a number behind it. */
  private static final int LONGEST_NAME = 36;

  /** What would let one pool lead to several servers, or refuse one that changes its role. */
  private static final Set<String> CHOOSING =
      Set.of("targetservertype", "loadbalancehosts", "hostrecheckseconds");

  /** What these pools and probes set themselves. */
  private static final Set<String> SECRET = Set.of("user", "password");

  private NodeUrls() {}

  /**
   * One URL for each host, by a name made of the host and its port.
   *
   * @throws PgBelayException if it is no URL with a host, or names one twice
   */
  static Map<String, String> split(String url) {
    String rest = withoutScheme(url);
    int path = indexOfFirst(rest, '/', '?');
    String options = rest.substring(path);
    Map<String, String> urls = new LinkedHashMap<>();
    Set<String> seen = new HashSet<>();
    for (String host : hosts(rest.substring(0, path))) {
      String at = withPort(host);
      if (!seen.add(at)) {
        throw new PgBelayException("the URL names host " + at + " twice: name each server once");
      }
      String name = nodeName(at);
      urls.put(
          urls.containsKey(name) ? name + "-" + (urls.size() + 1) : name,
          SCHEME + at + withoutChoosing(options));
    }
    return urls;
  }

  /** Fit for threads and metrics; of a long name the first part. */
  private static String nodeName(String hostAndPort) {
    int colon = hostAndPort.lastIndexOf(':');
    String host = hostAndPort.substring(0, colon);
    String port = hostAndPort.substring(colon);
    String whole = fit(hostAndPort);
    if (whole.length() <= LONGEST_NAME) {
      return whole;
    }
    int dot = host.indexOf('.');
    String first = fit(dot > 0 ? host.substring(0, dot) : host);
    return first.substring(0, Math.min(first.length(), LONGEST_NAME - port.length()))
        + fit("x" + port).substring(1);
  }

  private static String fit(String text) {
    String fit = text.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9.-]", "-");
    return Character.isLetter(fit.charAt(0)) ? fit : "node-" + fit.replaceAll("^-+", "");
  }

  /**
   * A URL of one server.
   *
   * @throws PgBelayException naming the node and what its URL has that leads elsewhere
   */
  static String single(String node, String url) {
    String rest = withoutScheme(url);
    int path = indexOfFirst(rest, '/', '?');
    List<String> hosts = hosts(rest.substring(0, path));
    if (hosts.size() > 1) {
      throw new PgBelayException(
          "the URL of node '"
              + node
              + "' names "
              + hosts.size()
              + " hosts: give each server a node of its own, or the whole URL to urls(…)");
    }
    for (String option : options(rest.substring(path))) {
      if (CHOOSING.contains(name(option))) {
        throw new PgBelayException(
            "the URL of node '"
                + node
                + "' has "
                + option
                + ": leave it out. Which node is the primary is asked, and a pool that chose for"
                + " itself would refuse its server after a fail-over");
      }
    }
    return SCHEME + withPort(hosts.get(0)) + rest.substring(path);
  }

  /** With another option, which must not be there yet. */
  static String with(String url, String option) {
    return url + (url.contains("?") ? "&" : "?") + option;
  }

  private static String withoutScheme(String url) {
    if (!url.startsWith(SCHEME)) {
      throw new PgBelayException(
          "a URL of nodes begins with \""
              + url.substring(0, Math.min(url.length(), 16))
              + "\": must be "
              + SCHEME
              + "host:port/database, with commas between several hosts");
    }
    String rest = url.substring(SCHEME.length());
    for (String option : options(rest.substring(indexOfFirst(rest, '/', '?')))) {
      if (SECRET.contains(name(option))) {
        throw new PgBelayException(
            "a URL of nodes has a "
                + name(option)
                + ": give it to credentials(…), so that it does not stand in messages");
      }
    }
    return rest;
  }

  private static List<String> hosts(String text) {
    List<String> hosts = new ArrayList<>();
    for (String host : text.split(",", -1)) {
      if (host.isBlank()) {
        throw new PgBelayException("a URL of nodes has an empty host: \"" + text + "\"");
      }
      hosts.add(host.strip());
    }
    return hosts;
  }

  /** Also behind the brackets of IPv6. */
  private static String withPort(String host) {
    int colon = host.lastIndexOf(':');
    return colon > host.lastIndexOf(']') ? host : host + ":" + DEFAULT_PORT;
  }

  private static int indexOfFirst(String text, char one, char other) {
    for (int i = 0; i < text.length(); i++) {
      if (text.charAt(i) == one || text.charAt(i) == other) {
        return i;
      }
    }
    return text.length();
  }

  private static List<String> options(String pathAndOptions) {
    int at = pathAndOptions.indexOf('?');
    return at < 0 || at + 1 == pathAndOptions.length()
        ? List.of()
        : List.of(pathAndOptions.substring(at + 1).split("&", -1));
  }

  private static String name(String option) {
    int equals = option.indexOf('=');
    return (equals < 0 ? option : option.substring(0, equals)).toLowerCase(Locale.ROOT);
  }

  private static String withoutChoosing(String pathAndOptions) {
    int at = pathAndOptions.indexOf('?');
    String path = at < 0 ? pathAndOptions : pathAndOptions.substring(0, at);
    String kept =
        options(pathAndOptions).stream()
            .filter(option -> !CHOOSING.contains(name(option)))
            .collect(Collectors.joining("&"));
    return kept.isEmpty() ? path : path + "?" + kept;
  }
}
