package dev.pgbelay.keyset;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.jooq.AggregateFunction;
import org.jooq.Configuration;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Param;
import org.jooq.QueryPart;
import org.jooq.SQLDialect;
import org.jooq.Select;
import org.jooq.SelectQuery;
import org.jooq.VisitContext;
import org.jooq.VisitListener;
import org.jooq.conf.Settings;
import org.jooq.conf.SettingsTools;
import org.jooq.impl.DSL;
import org.jooq.impl.DefaultConfiguration;
import org.jooq.impl.QOM;

/**
 * Turns jOOQ's query parts into text, once per shape. Parameters are rendered behind a mark that no
 * SQL contains, so that the text can be cut at them; which parameter stands at which mark is seen
 * while it is rendered, because jOOQ numbers unnamed ones differently here and there (plain SQL
 * templates, inlined values).
 */
final class Renderer {
  private static final String MARK = "\u0001";

  private final Settings settings;

  Renderer(Settings settings) {
    this.settings = SettingsTools.clone(settings).withRenderNamedParamPrefix(MARK);
  }

  /** The same, with names as {@code given} maps them. */
  Renderer mappedBy(Settings given) {
    return new Renderer(NameMapping.apply(given, SettingsTools.clone(settings)));
  }

  /**
   * Text pieces, and the parameter between each two of them.
   *
   * @param inlined the values that are written into the text, as they stand there
   */
  record Template(List<String> pieces, List<Param<?>> params, List<String> inlined) {
    String textWithMarks() {
      return String.join("?", pieces);
    }
  }

  Template template(Select<?> select) {
    ParamRecorder recorder = new ParamRecorder();
    String text = context(recorder).renderNamedParams(select);
    List<String> pieces = new ArrayList<>();
    int from = 0;
    for (Param<?> param : recorder.params) {
      int mark = text.indexOf(MARK, from);
      if (mark < 0) {
        throw unreadable();
      }
      pieces.add(text.substring(from, mark));
      from = mark + 1;
      while (from < text.length() && isNamePart(text.charAt(from))) {
        from++;
      }
      if (param.getParamName() != null) {
        from = mark + 1 + param.getParamName().length();
      }
    }
    pieces.add(text.substring(from));
    if (text.indexOf(MARK, from) >= 0) {
      throw unreadable();
    }
    return new Template(
        List.copyOf(pieces), List.copyOf(recorder.params), List.copyOf(recorder.inlined));
  }

  private static boolean isNamePart(char c) {
    return c >= '0' && c <= '9';
  }

  private static InvalidKeysetQueryException unreadable() {
    return new InvalidKeysetQueryException(
        InvalidKeysetQueryException.Reason.SELECT,
        "the select has parameters that jOOQ renders out of sight; give them as DSL.param(...) or DSL.val(...) in the select itself");
  }

  /** For people: an expression without quotes. */
  String label(Field<?> field) {
    return context().renderInlined(field).replace("\"", "");
  }

  /** For DDL: as it stands in a statement, with values written out. */
  String text(QueryPart part) {
    return context().renderInlined(part);
  }

  DSLContext context(VisitListener... listeners) {
    Configuration configuration = new DefaultConfiguration();
    configuration.set(SQLDialect.POSTGRES);
    configuration.set(settings);
    configuration.set(listeners);
    return DSL.using(configuration);
  }

  /** Whether rows beyond the FROM and WHERE decide the value: a condition more would change it. */
  boolean looksAtOtherRows(Field<?> field) {
    FunctionFinder finder = new FunctionFinder();
    context(finder).render(DSL.select(field));
    return finder.found;
  }

  /** {@code (select …) union …}: parentheses appear as soon as one side has an order of its own. */
  boolean isSetOperation(Select<?> select) {
    Select<?> ordered = select.$with() == null ? select : withoutWith(select);
    return context().render(ordered.$orderBy(List.of(DSL.inline(1).asc()))).startsWith("(");
  }

  @SuppressWarnings("NullAway") // jOOQ takes null for "no WITH clause"
  private static Select<?> withoutWith(Select<?> select) {
    return select.$with(null);
  }

  private static final class ParamRecorder implements VisitListener {
    private final List<Param<?>> params = new ArrayList<>();
    private final List<String> inlined = new ArrayList<>();
    private final Deque<int[]> starts = new ArrayDeque<>();

    @Override
    public void visitStart(VisitContext context) {
      if (context.queryPart() instanceof Param<?> && context.renderContext() != null) {
        starts.push(new int[] {context.renderContext().render().length(), params.size()});
      }
    }

    @Override
    public void visitEnd(VisitContext context) {
      if (context.queryPart() instanceof Param<?> param && context.renderContext() != null) {
        int[] start = starts.pop();
        String rendered = context.renderContext().render().substring(start[0]);
        // A parameter may render another one in its place; the mark then belongs to that.
        if (rendered.contains(MARK) && params.size() == start[1]) {
          params.add(param);
        } else if (param.isInline()) {
          inlined.add(rendered);
        }
      }
    }
  }

  private static final class FunctionFinder implements VisitListener {
    private int depth;
    private boolean found;

    @Override
    public void visitStart(VisitContext context) {
      QueryPart part = context.queryPart();
      if (part instanceof SelectQuery) {
        depth++;
      } else if (depth == 1
          && (part instanceof QOM.WindowFunction || part instanceof AggregateFunction)) {
        found = true;
      }
    }

    @Override
    public void visitEnd(VisitContext context) {
      if (context.queryPart() instanceof SelectQuery) {
        depth--;
      }
    }
  }
}
