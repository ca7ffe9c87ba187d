package dev.pgbelay.examples.architecture;

import com.sun.source.tree.AssignmentTree;
import com.sun.source.tree.BinaryTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.ConditionalExpressionTree;
import com.sun.source.tree.EnhancedForLoopTree;
import com.sun.source.tree.ExpressionTree;
import com.sun.source.tree.IdentifierTree;
import com.sun.source.tree.LambdaExpressionTree;
import com.sun.source.tree.MemberSelectTree;
import com.sun.source.tree.MethodInvocationTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.NewClassTree;
import com.sun.source.tree.ParenthesizedTree;
import com.sun.source.tree.ReturnTree;
import com.sun.source.tree.Tree;
import com.sun.source.tree.VariableTree;
import com.sun.source.util.TreePath;
import com.sun.source.util.TreeScanner;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Follows an expression that is used as SQL text back to where the text stands: a constant or a
 * method of a class named {@code …Sql}, what jOOQ rendered, or a parameter of the method around it,
 * whose callers must then be asked, or an object that carries it, which only classes named {@code
 * …Sql} may make.
 */
final class SqlOrigin {
  private static final Set<String> RENDERED_BY_JOOQ =
      Set.of("getSQL", "renderInlined", "renderNamedParams", "renderNamedOrInlinedParams");

  /**
   * The text comes from parameter {@code index} of a method or, named {@code <init>}, constructor.
   */
  record Parameter(String method, int index, int count) {}

  private final TreePath call;
  private final Set<String> carriers = new HashSet<>();
  private final Set<Parameter> parameters = new HashSet<>();
  private final Set<Tree> visited = new HashSet<>();

  private SqlOrigin(TreePath call) {
    this.call = call;
  }

  /**
   * Where a text comes from that is allowed on condition: that these callers and makers are fit.
   */
  record Conditions(Set<Parameter> parameters, Set<String> carriers) {}

  /** Where the text of argument {@code index} comes from, or nothing if that is not allowed. */
  static Optional<Conditions> ofArgument(TreePath call, int index) {
    List<? extends ExpressionTree> arguments =
        call.getLeaf() instanceof MethodInvocationTree invocation
            ? invocation.getArguments()
            : call.getLeaf() instanceof NewClassTree creation ? creation.getArguments() : List.of();
    if (index >= arguments.size()) {
      return Optional.empty(); // a method reference
    }
    SqlOrigin origin = new SqlOrigin(call);
    return origin.isAllowed(arguments.get(index))
        ? Optional.of(new Conditions(Set.copyOf(origin.parameters), Set.copyOf(origin.carriers)))
        : Optional.empty();
  }

  private boolean isAllowed(@Nullable ExpressionTree text) {
    if (text == null) {
      return false;
    }
    if (text instanceof ParenthesizedTree inner) {
      return isAllowed(inner.getExpression());
    }
    if (text instanceof ConditionalExpressionTree choice) {
      return isAllowed(choice.getTrueExpression()) && isAllowed(choice.getFalseExpression());
    }
    if (text instanceof BinaryTree sum) {
      // A text may be passed on as a parameter, but not sewn together with one.
      int before = parameters.size();
      return isAllowed(sum.getLeftOperand())
          && isAllowed(sum.getRightOperand())
          && parameters.size() == before;
    }
    if (text instanceof MemberSelectTree member) {
      return isSqlClass(member.getExpression())
          || (member.getExpression().toString().equals("this")
              && isAllowedField(member.getIdentifier().toString()));
    }
    if (text instanceof MethodInvocationTree invocation) {
      return isAllowedInvocation(invocation);
    }
    return text instanceof IdentifierTree name && isAllowedVariable(name.getName().toString());
  }

  private static boolean isSqlClass(Tree qualifier) {
    return qualifier.toString().matches("(.*\\.)?[A-Z]\\w*Sql");
  }

  /**
   * Formatting, rendering and the like pass the text on, so one fit argument or receiver makes it
   * fit.
   */
  private boolean isAllowedInvocation(MethodInvocationTree invocation) {
    if (invocation.getMethodSelect() instanceof MemberSelectTree method) {
      if (isSqlClass(method.getExpression())
          || RENDERED_BY_JOOQ.contains(method.getIdentifier().toString())
          || invocation.getArguments().stream().anyMatch(this::isAllowed)) {
        return true;
      }
      return isAllowed(method.getExpression()) || isCarrier(method.getExpression());
    }
    if (isAllowedResultOf(
        invocation.getMethodSelect().toString(), invocation.getArguments().size())) {
      return true;
    }
    return invocation.getArguments().stream().anyMatch(this::isAllowed);
  }

  private boolean isCarrier(ExpressionTree receiver) {
    String name = receiver.toString().replaceFirst("^this\\.", "");
    List<String> types = List.of();
    for (TreePath at = call; at != null && types.isEmpty(); at = at.getParentPath()) {
      if (at.getLeaf() instanceof MethodTree || at.getLeaf() instanceof CompilationUnitTree) {
        types = typesOf(name, at.getLeaf());
      }
    }
    carriers.addAll(types);
    return !types.isEmpty();
  }

  private static List<String> typesOf(String name, Tree scope) {
    List<String> types = new ArrayList<>();
    scope.accept(
        new TreeScanner<@Nullable Void, @Nullable Void>() {
          @Override
          public @Nullable Void visitVariable(VariableTree variable, @Nullable Void unused) {
            if (variable.getName().contentEquals(name)) {
              types.add(Objects.toString(variable.getType(), "var").replaceFirst("<.*", ""));
            }
            return super.visitVariable(variable, null);
          }
        },
        null);
    return types;
  }

  /** A method of the same file gives SQL when each of its return statements does. */
  private boolean isAllowedResultOf(String name, int argumentCount) {
    List<ExpressionTree> results = new ArrayList<>();
    call.getCompilationUnit()
        .accept(
            new TreeScanner<@Nullable Void, Boolean>() {
              @Override
              public @Nullable Void visitMethod(MethodTree method, Boolean inside) {
                return super.visitMethod(
                    method,
                    method.getName().contentEquals(name)
                        && method.getParameters().size() == argumentCount);
              }

              @Override
              public @Nullable Void visitLambdaExpression(
                  LambdaExpressionTree lambda, Boolean inside) {
                return super.visitLambdaExpression(lambda, false);
              }

              @Override
              public @Nullable Void visitReturn(ReturnTree result, Boolean inside) {
                if (inside && result.getExpression() != null) {
                  results.add(result.getExpression());
                }
                return super.visitReturn(result, inside);
              }
            },
            false);
    return !results.isEmpty()
        && results.stream().allMatch(result -> !visited.add(result) || isAllowed(result));
  }

  private boolean isAllowedVariable(String name) {
    for (TreePath at = call; at != null; at = at.getParentPath()) {
      if (at.getLeaf() instanceof LambdaExpressionTree lambda
          && declares(lambda.getParameters(), name)) {
        return false;
      }
      if (at.getLeaf() instanceof MethodTree method) {
        int index = indexOf(method.getParameters(), name);
        if (index >= 0) {
          if (!method.getParameters().get(index).getType().toString().equals("String")) {
            return false;
          }
          parameters.add(
              new Parameter(method.getName().toString(), index, method.getParameters().size()));
          return true;
        }
        List<ExpressionTree> given = givenTo(name, method);
        if (!given.isEmpty()) {
          return given.stream().allMatch(value -> !visited.add(value) || isAllowed(value));
        }
      }
    }
    return isAllowedField(name);
  }

  private boolean isAllowedField(String name) {
    List<ExpressionTree> given = givenTo(name, call.getCompilationUnit());
    if (given.isEmpty()) {
      return false;
    }
    for (ExpressionTree value : given) {
      if (visited.add(value)) {
        Optional<Parameter> handedIn = constructorParameter(value);
        handedIn.ifPresent(parameters::add);
        if (handedIn.isEmpty() && !isAllowed(value)) {
          return false;
        }
      }
    }
    return true;
  }

  private Optional<Parameter> constructorParameter(ExpressionTree value) {
    List<Parameter> found = new ArrayList<>();
    call.getCompilationUnit()
        .accept(
            new TreeScanner<@Nullable Void, @Nullable Void>() {
              @Override
              public @Nullable Void visitMethod(MethodTree method, @Nullable Void unused) {
                int index = indexOf(method.getParameters(), value.toString());
                if (method.getName().contentEquals("<init>")
                    && index >= 0
                    && method.getParameters().get(index).getType().toString().equals("String")
                    && method.getBody() != null
                    && method.getBody().toString().contains("= " + value)) {
                  found.add(new Parameter("<init>", index, method.getParameters().size()));
                }
                return null;
              }
            },
            null);
    return found.stream().findFirst();
  }

  /** Every value that a variable of this name is given below {@code scope}. */
  private static List<ExpressionTree> givenTo(String name, Tree scope) {
    List<ExpressionTree> given = new ArrayList<>();
    scope.accept(
        new TreeScanner<@Nullable Void, @Nullable Void>() {
          @Override
          public @Nullable Void visitVariable(VariableTree variable, @Nullable Void unused) {
            if (variable.getName().contentEquals(name) && variable.getInitializer() != null) {
              given.add(variable.getInitializer());
            }
            return super.visitVariable(variable, null);
          }

          @Override
          public @Nullable Void visitEnhancedForLoop(
              EnhancedForLoopTree loop, @Nullable Void unused) {
            if (loop.getVariable().getName().contentEquals(name)) {
              given.add(loop.getExpression());
            }
            return super.visitEnhancedForLoop(loop, null);
          }

          @Override
          public @Nullable Void visitAssignment(AssignmentTree assignment, @Nullable Void unused) {
            if (assignment.getVariable().toString().matches("(this\\.)?" + name)) {
              given.add(assignment.getExpression());
            }
            return super.visitAssignment(assignment, null);
          }
        },
        null);
    return given;
  }

  private static boolean declares(List<? extends VariableTree> variables, String name) {
    return indexOf(variables, name) >= 0;
  }

  private static int indexOf(List<? extends VariableTree> variables, String name) {
    for (int i = 0; i < variables.size(); i++) {
      if (variables.get(i).getName().contentEquals(name)) {
        return i;
      }
    }
    return -1;
  }
}
