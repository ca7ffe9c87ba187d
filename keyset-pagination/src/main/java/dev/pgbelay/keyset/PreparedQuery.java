package dev.pgbelay.keyset;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.keyset.PageStatement.Limits;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;

/** What all bindings of one query share: its analysed select, its statements, its codec. */
final class PreparedQuery<T> {
  private static final int ARRAYS_KEEP_ORDER = 17;
  private static final int NEWEST = Integer.MAX_VALUE;

  /** A mapping per tenant must not fill the memory with texts; further ones are rendered again. */
  private static final int MAX_MAPPINGS = 64;

  private final Parts<T> parts;
  private final byte[] identity;
  private final Renderer renderer;
  private final Renderer.Template text;
  private final PageSql sql;
  private final PageSql arraySql;
  private final boolean keysLeadTheIndex;
  private final KeyTypesOnServer types;
  private final PageReader<T> reader;
  private volatile int serverMajor = NEWEST;
  private volatile boolean serverKnown;
  private final Map<PageShape, PageStatement> statements = new ConcurrentHashMap<>();
  private final Map<PageShape, PageStatement> steps = new ConcurrentHashMap<>();
  private final Map<String, PreparedQuery<T>> byMapping = new ConcurrentHashMap<>();

  /**
   * What a query is, whatever the names of its tables are mapped to.
   *
   * @param identity what cursors are bound to instead of the text, if that was said
   */
  record Parts<T>(
      String name,
      @Nullable String identity,
      BaseSelect base,
      RowSource<T> rows,
      CursorCodec codec,
      KeysetMetrics metrics,
      int maxPageSize) {}

  PreparedQuery(Parts<T> parts, Renderer renderer) {
    this.parts = parts;
    this.renderer = renderer;
    this.text = renderer.template(parts.base().select());
    this.sql = new PageSql(parts.base(), renderer, false);
    this.arraySql = new PageSql(parts.base(), renderer, true);
    this.keysLeadTheIndex = !Filters.fixAColumn(parts.base().select().$where());
    this.types = new KeyTypesOnServer(parts.name(), parts.base().keys());
    this.reader = new PageReader<>(parts.name(), parts.base(), sql, parts.rows(), types);
    this.identity = (whatItIs() + "\0" + typedOrder()).getBytes(UTF_8);
  }

  /** A name that was given stands for the text, but not for the values that are written into it. */
  private String whatItIs() {
    return parts.identity() == null
        ? text.textWithMarks()
        : parts.identity() + "\0" + String.join("\0", text.inlined());
  }

  /**
   * This query as a {@code DSLContext} names its tables.
   *
   * @throws InvalidKeysetQueryException if it would rewrite the select in a way that is not seen
   *     from here
   */
  PreparedQuery<T> under(DSLContext dsl) {
    if (dsl.configuration().visitListenerProviders().length > 0) {
      throw new InvalidKeysetQueryException(
          InvalidKeysetQueryException.Reason.DSL_CONTEXT,
          "query '%s': the DSLContext has visit listeners, which may rewrite every statement of jOOQ, and pages run from text that is rendered once without them; put what they add into the select, and give fetch a DSLContext without them"
              .formatted(name()));
    }
    Optional<String> mapping = NameMapping.of(dsl.settings());
    if (mapping.isEmpty()) {
      return this;
    }
    PreparedQuery<T> known = byMapping.get(mapping.get());
    if (known != null) {
      return known;
    }
    PreparedQuery<T> mapped = new PreparedQuery<>(parts, renderer.mappedBy(dsl.settings()));
    if (mapped.text.pieces().equals(text.pieces())) {
      mapped = this;
    }
    if (byMapping.size() < MAX_MAPPINGS) {
      byMapping.put(mapping.get(), mapped);
    }
    return mapped;
  }

  private String typedOrder() {
    return keys().stream()
        .map(key -> key.describe() + " " + key.type() + (key.nullable() ? " null" : " not null"))
        .collect(Collectors.joining("\0"));
  }

  String name() {
    return parts.name();
  }

  byte[] identity() {
    return identity;
  }

  BaseSelect base() {
    return parts.base();
  }

  Renderer renderer() {
    return renderer;
  }

  List<SortKey> keys() {
    return parts.base().keys();
  }

  PageReader<T> reader() {
    return reader;
  }

  CursorCodec codec() {
    return parts.codec();
  }

  KeysetMetrics metrics() {
    return parts.metrics();
  }

  int maxPageSize() {
    return parts.maxPageSize();
  }

  /**
   * Notes which PostgreSQL this is: one that is older than 17 loses the order of an index scan by
   * an array that is not on the index's first column. Asks the driver, not the server.
   */
  void meet(DSLContext dsl) {
    if (serverKnown) {
      return;
    }
    int major =
        dsl.connectionResult(connection -> connection.getMetaData().getDatabaseMajorVersion());
    if (leadAsArray(major) != leadAsArray(serverMajor)) {
      statements.clear();
      steps.clear();
    }
    serverMajor = major;
    serverKnown = true;
  }

  private boolean leadAsArray(int major) {
    return major >= ARRAYS_KEEP_ORDER || keysLeadTheIndex;
  }

  private PageSql sql() {
    return leadAsArray(serverMajor) ? arraySql : sql;
  }

  Renderer.Template text() {
    return text;
  }

  /**
   * As {@link #statement}; until the keys' types are known to agree, with columns that show them.
   */
  PageStatement pageStatement(PageShape shape) {
    return types.agreed() ? statement(shape) : sql().typedPage(shape);
  }

  PageStatement statement(PageShape shape) {
    PageStatement known = statements.get(shape);
    return known != null ? known : statements.computeIfAbsent(shape, key -> sql().page(key));
  }

  /** Jumps over a number of rows and reads the keys of the one it lands on. */
  PageStatement stepStatement(PageShape shape) {
    return steps.computeIfAbsent(shape, key -> sql().step(key));
  }

  String describeOrder() {
    return keys().stream().map(SortKey::describe).collect(Collectors.joining(", "));
  }

  /** The position that a deep link names. */
  Boundary deepLink(List<@Nullable Object> values) {
    return new DeepLink(name(), keys()).position(values);
  }

  /** The caller's select by itself, without keys and limits. */
  PageStatement baseStatement() {
    return sql.everything();
  }

  List<KeysetPlan> plans() {
    List<KeysetPlan> plans = new ArrayList<>();
    for (PageShape shape : shapes()) {
      boolean back = shape.backward();
      List<SortKey> walked = back ? keys().stream().map(SortKey::flipped).toList() : keys();
      plans.add(
          new KeysetPlan(
              describe(shape),
              walked.stream().map(SortKey::describe).collect(Collectors.joining(", ")),
              shape.branches(keys()).stream().map(branch -> branch.describe(walked)).toList(),
              statement(shape).text(new Limits(21, 1, 0))));
    }
    return plans;
  }

  /** First and last page, and after and before a position with every pattern of NULLs. */
  List<PageShape> shapes() {
    List<PageShape> shapes = new ArrayList<>();
    int nullable = 0;
    for (int k = 0; k < keys().size(); k++) {
      nullable |= keys().get(k).nullable() ? 1 << k : 0;
    }
    for (boolean back : new boolean[] {false, true}) {
      shapes.add(new PageShape(back, false, 0, 0, false, false, false));
      int pattern = 0;
      do {
        shapes.add(new PageShape(back, false, keys().size(), pattern, false, false, false));
        pattern = (pattern - nullable) & nullable;
      } while (pattern != 0);
    }
    return shapes;
  }

  String describe(PageShape shape) {
    String direction = shape.backward() ? "backward" : "forward";
    if (shape.keyCount() == 0) {
      return (shape.backward() ? "last page, " : "first page, ") + direction;
    }
    StringBuilder text =
        new StringBuilder(shape.backward() ? "before a cursor, " : "after a cursor, ")
            .append(direction);
    for (int k = 0; k < keys().size(); k++) {
      if ((shape.nullKeys() & 1 << k) != 0) {
        text.append(", ").append(keys().get(k).label()).append(" null");
      }
    }
    return text.toString();
  }
}
