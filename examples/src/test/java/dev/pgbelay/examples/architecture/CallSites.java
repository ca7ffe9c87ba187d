package dev.pgbelay.examples.architecture;

import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.ExpressionTree;
import com.sun.source.tree.MemberReferenceTree;
import com.sun.source.tree.MemberSelectTree;
import com.sun.source.tree.MethodInvocationTree;
import com.sun.source.tree.NewClassTree;
import com.sun.source.tree.Tree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreePath;
import com.sun.source.util.TreePathScanner;
import com.sun.source.util.Trees;
import com.tngtech.archunit.core.domain.JavaAccess;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.jspecify.annotations.Nullable;

/** Finds the place in the sources where a call that ArchUnit saw in a class file is written. */
final class CallSites {
  private final Map<String, CompilationUnitTree> units = new HashMap<>();
  private final SourcePositions positions;

  CallSites(Collection<Path> paths) {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    try (StandardJavaFileManager files =
        compiler.getStandardFileManager(null, null, StandardCharsets.UTF_8)) {
      JavacTask task =
          (JavacTask)
              compiler.getTask(
                  null, files, null, null, null, files.getJavaFileObjectsFromPaths(paths));
      positions = Trees.instance(task).getSourcePositions();
      for (CompilationUnitTree unit : task.parse()) {
        String file = Path.of(unit.getSourceFile().toUri()).getFileName().toString();
        units.put(unit.getPackageName() + "." + file.substring(0, file.lastIndexOf('.')), unit);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** All calls of that name on that line: more than one only where they stand close together. */
  List<TreePath> of(JavaAccess<?> access) {
    CompilationUnitTree unit =
        Objects.requireNonNull(
            units.get(ClockTest.topLevel(access.getOriginOwner()).getName()),
            () -> "no source of " + access.getOriginOwner().getName());
    Finder finder = new Finder(unit, access);
    finder.scan(unit, null);
    return finder.found;
  }

  private final class Finder extends TreePathScanner<@Nullable Void, @Nullable Void> {
    private final List<TreePath> found = new ArrayList<>();
    private final CompilationUnitTree unit;
    private final JavaAccess<?> access;

    Finder(CompilationUnitTree unit, JavaAccess<?> access) {
      this.unit = unit;
      this.access = access;
    }

    @Override
    public @Nullable Void visitMethodInvocation(MethodInvocationTree call, @Nullable Void unused) {
      ExpressionTree method = call.getMethodSelect();
      String name =
          method instanceof MemberSelectTree member
              ? member.getIdentifier().toString()
              : method.toString();
      // "this(…)" and "super(…)" are constructors by another name.
      boolean constructor = name.equals("this") || name.equals("super");
      addIfMeant(constructor ? "<init>" : name, call);
      return super.visitMethodInvocation(call, null);
    }

    @Override
    public @Nullable Void visitNewClass(NewClassTree call, @Nullable Void unused) {
      String owner = access.getTargetOwner().getSimpleName();
      if (call.getIdentifier().toString().replaceFirst("<.*", "").endsWith(owner)) {
        addIfMeant("<init>", call);
      }
      return super.visitNewClass(call, null);
    }

    @Override
    public @Nullable Void visitMemberReference(
        MemberReferenceTree reference, @Nullable Void unused) {
      addIfMeant(reference.getName().toString(), reference);
      return super.visitMemberReference(reference, null);
    }

    private void addIfMeant(String name, Tree call) {
      long first = unit.getLineMap().getLineNumber(positions.getStartPosition(unit, call));
      long last = unit.getLineMap().getLineNumber(positions.getEndPosition(unit, call));
      if (name.equals(access.getName())
          && first <= access.getLineNumber()
          && access.getLineNumber() <= last) {
        found.add(getCurrentPath());
      }
    }
  }
}
