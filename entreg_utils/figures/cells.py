"""Which cells of a notebook one of its cells depends on, told from their code alone."""

from __future__ import annotations

import ast
import re
import symtable
from collections.abc import Iterable, Sequence

# A cell that sets how figures look belongs to each of them.
STYLE = re.compile(r"\buse_style\(|\brcParams\b|\bset_theme\(")
_SHOWS = {"print", "show", "display"}  # calls that change nothing of what they are given


def needed(sources: Sequence[str], target: int) -> list[int]:
    """Positions, in order, of the cells that ``target`` needs, itself the last.

    Walked backwards: a cell is needed if it sets the style, or binds or may change a name that is
    wanted by then. A cell reads and changes what the functions do that it calls, and what is called
    by these. Left unseen: a change made inside an imported function to what it is given, where the
    call is part of a larger expression.

    Raises:
        SyntaxError: a cell is not plain Python.
    """
    cells = [Names(ast.parse(source).body) for source in sources[: target + 1]]
    imported = set().union(*(cell.imported for cell in cells))
    functions = {name: inner for cell in cells for name, inner in cell.functions.items()}
    for cell in cells:
        called = list(cell.loaded)
        for inner in (functions[name] for name in called if name in functions):
            called += inner.loaded - set(called)
            cell.reads |= inner.reads - cell.bound
            cell.changed |= inner.changed
    wanted, chosen = set(cells[target].reads), [target]
    for index in reversed(range(target)):
        cell = cells[index]
        touched = cell.bound | cell.perhaps | (cell.changed - imported)
        if touched & wanted or STYLE.search(sources[index]):
            chosen.insert(0, index)
            wanted = (wanted - cell.bound) | cell.reads
    return chosen


class Names(ast.NodeVisitor):
    """What some statements do with names, in the order in which they run.

    Attributes:
        loaded: read at all; ``reads``: read before the statements bind them.
        bound: bound in any case; ``perhaps``: bound in one branch of an ``if`` or its like.
        changed: given a new item or attribute, or to a call that stands for its effect alone.
        imported: bound by an import.
        functions: functions and classes by name, each with what its body does outside itself.
    """

    def __init__(self, nodes: Iterable[ast.AST]) -> None:
        self.loaded, self.reads, self.bound, self.perhaps = set(), set(), set(), set()
        self.changed, self.imported, self.functions = set(), set(), {}
        self._in_order(nodes)

    def _in_order(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _load(self, names: set[str]) -> None:
        self.loaded |= names
        self.reads |= names - self.bound

    def visit_Name(self, node) -> None:
        if isinstance(node.ctx, ast.Load):
            self._load({node.id})
        else:
            self.bound.add(node.id)

    def visit_Assign(self, node) -> None:
        """The value before the target, whatever their order in the text."""
        if isinstance(node, ast.AugAssign):
            self._load(_root(node.target))
        self._in_order([node.value] if node.value else [])
        self._in_order(node.targets if isinstance(node, ast.Assign) else [node.target])

    visit_AnnAssign = visit_AugAssign = visit_NamedExpr = visit_Assign

    def visit_For(self, node) -> None:
        self._in_order([node.iter, node.target, *node.body, *node.orelse])

    def visit_If(self, node) -> None:
        """What a branch binds may not be bound after it."""
        before = set(self.bound)
        self.generic_visit(node)
        self.perhaps |= self.bound - before
        self.bound = before

    visit_While = visit_Try = visit_Match = visit_If

    def visit_Import(self, node) -> None:
        names = {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        self.imported |= names
        self.bound |= names

    visit_ImportFrom = visit_Import

    def visit_Attribute(self, node) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.changed |= _root(node)
        self.generic_visit(node)

    visit_Subscript = visit_Attribute

    def visit_Expr(self, node) -> None:
        """``x.append(1)`` and ``fit(x)`` may change x; ``show(x)`` does not."""
        call = node.value
        if isinstance(call, ast.Call):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else None
            if (name or next(iter(_root(call.func)), "")) not in _SHOWS:
                self.changed |= set().union(*map(_root, [call.func, *call.args]))
        self.generic_visit(node)

    def visit_FunctionDef(self, node) -> None:
        inner = Names(node.body)
        inner.reads = inner.loaded = self._outside(node)
        inner.changed &= inner.reads
        self.functions[node.name] = inner
        self._in_order(child for child in ast.iter_child_nodes(node) if child not in node.body)
        self._load(inner.reads if isinstance(node, ast.ClassDef) else set())
        self.bound.add(node.name)

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def visit_Lambda(self, node) -> None:
        self._load(self._outside(node))
        self.bound |= {one.target.id for one in ast.walk(node) if isinstance(one, ast.NamedExpr)}

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_Lambda

    def _outside(self, node) -> set[str]:
        """Names of the notebook that a function, class or comprehension reads."""
        found, tables = set(), [symtable.symtable(ast.unparse(node), "cell", "exec")]
        for table in tables:  # grows while it is read
            tables += table.get_children()
            for symbol in table.get_symbols():
                if symbol.is_referenced() and (symbol.is_global() or table is tables[0]):
                    found.add(symbol.get_name())
        return found


def _root(node: ast.AST) -> set[str]:
    """The name at the start of ``x.a[0].b(...)``, if there is one."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return {node.id} if isinstance(node, ast.Name) else set()
