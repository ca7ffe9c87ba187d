package dev.pgbelay.examples.architecture;

import com.sun.source.tree.BinaryTree;
import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.ExpressionTree;
import com.sun.source.tree.LiteralTree;
import com.sun.source.tree.ParenthesizedTree;
import com.sun.source.tree.Tree;
import com.sun.source.util.DocTrees;
import com.sun.source.util.JavacTask;
import com.sun.source.util.TreePath;
import com.sun.source.util.TreePathScanner;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import javax.lang.model.element.Modifier;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.jspecify.annotations.Nullable;

/**
 * A source file as the compiler's own parser sees it: the types it declares and the text constants
 * in it.
 */
record SourceFile(Path path, String packageName, List<Type> types, List<Text> texts) {

  /**
   * A declared type.
   *
   * @param topLevelName the file's type that holds it, or itself
   * @param api public, and so is everything around it
   */
  record Type(String simpleName, String topLevelName, boolean api, boolean documented, long line) {}

  /**
   * A string literal, a text block, or several of them joined by {@code +} (with {@code ?} in the
   * place of what is not a literal).
   */
  record Text(String value, String topLevelName, long line) {}

  static List<SourceFile> parse(Collection<Path> paths) {
    if (paths.isEmpty()) {
      return List.of();
    }
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    try (StandardJavaFileManager files =
        compiler.getStandardFileManager(null, null, StandardCharsets.UTF_8)) {
      JavacTask task =
          (JavacTask)
              compiler.getTask(
                  null, files, null, null, null, files.getJavaFileObjectsFromPaths(paths));
      DocTrees trees = DocTrees.instance(task);
      List<SourceFile> parsed = new ArrayList<>();
      for (CompilationUnitTree unit : task.parse()) {
        parsed.add(read(unit, trees));
      }
      return parsed;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static SourceFile read(CompilationUnitTree unit, DocTrees trees) {
    Scanner scanner = new Scanner(unit, trees);
    scanner.scan(unit, null);
    return new SourceFile(
        Path.of(unit.getSourceFile().toUri()),
        Objects.toString(unit.getPackageName(), ""),
        List.copyOf(scanner.types),
        List.copyOf(scanner.texts));
  }

  private static final class Scanner extends TreePathScanner<@Nullable Void, @Nullable Void> {
    private final List<Type> types = new ArrayList<>();
    private final List<Text> texts = new ArrayList<>();
    private final CompilationUnitTree unit;
    private final DocTrees trees;

    Scanner(CompilationUnitTree unit, DocTrees trees) {
      this.unit = unit;
      this.trees = trees;
    }

    @Override
    public @Nullable Void visitClass(ClassTree type, @Nullable Void unused) {
      if (!type.getSimpleName().isEmpty()) {
        boolean documented = trees.getDocComment(getCurrentPath()) != null;
        types.add(
            new Type(
                type.getSimpleName().toString(),
                topLevelName(),
                isApi(getCurrentPath()),
                documented,
                line(type)));
      }
      return super.visitClass(type, null);
    }

    @Override
    public @Nullable Void visitBinary(BinaryTree tree, @Nullable Void unused) {
      if (tree.getKind() == Tree.Kind.PLUS && hasText(tree)) {
        StringBuilder joined = new StringBuilder();
        join(tree, joined);
        texts.add(new Text(joined.toString(), topLevelName(), line(tree)));
        return null;
      }
      return super.visitBinary(tree, null);
    }

    @Override
    public @Nullable Void visitLiteral(LiteralTree tree, @Nullable Void unused) {
      if (tree.getValue() instanceof String value) {
        texts.add(new Text(value, topLevelName(), line(tree)));
      }
      return super.visitLiteral(tree, null);
    }

    private boolean hasText(ExpressionTree tree) {
      if (tree instanceof BinaryTree sum) {
        return hasText(sum.getLeftOperand()) || hasText(sum.getRightOperand());
      }
      return tree instanceof LiteralTree literal && literal.getValue() instanceof String;
    }

    private void join(ExpressionTree tree, StringBuilder to) {
      if (tree instanceof BinaryTree sum && sum.getKind() == Tree.Kind.PLUS) {
        join(sum.getLeftOperand(), to);
        join(sum.getRightOperand(), to);
      } else if (tree instanceof ParenthesizedTree inner) {
        join(inner.getExpression(), to);
      } else if (tree instanceof LiteralTree literal) {
        to.append(literal.getValue());
      } else {
        to.append('?');
        scan(tree, null); // literals inside a call or a condition are texts of their own
      }
    }

    private boolean isApi(TreePath path) {
      boolean api = true;
      for (TreePath at = path; at != null && api; at = at.getParentPath()) {
        if (at.getLeaf() instanceof ClassTree type) {
          Set<Modifier> modifiers = type.getModifiers().getFlags();
          TreePath parent = at.getParentPath();
          boolean inInterface =
              parent != null
                  && (parent.getLeaf().getKind() == Tree.Kind.INTERFACE
                      || parent.getLeaf().getKind() == Tree.Kind.ANNOTATION_TYPE);
          api =
              inInterface
                  || modifiers.contains(Modifier.PUBLIC)
                  || modifiers.contains(Modifier.PROTECTED);
        }
      }
      return api;
    }

    private String topLevelName() {
      String name = "";
      for (TreePath at = getCurrentPath(); at != null; at = at.getParentPath()) {
        if (at.getLeaf() instanceof ClassTree type) {
          name = type.getSimpleName().toString();
        }
      }
      return name;
    }

    private long line(Tree tree) {
      return unit.getLineMap()
          .getLineNumber(trees.getSourcePositions().getStartPosition(unit, tree));
    }
  }
}
