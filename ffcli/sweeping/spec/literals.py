"""The values of a Python program as far as they are literals, read from its syntax tree. Nothing is run.

Statements are followed in their order: names that are assigned, keys that are set, ``update``. A function
that returns a literal is followed where it is called without arguments. All else is `Opaque`.
"""

from __future__ import annotations

import ast
import operator
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

_MOST_VALUES = 100_000  # that a program makes, and that a value holds with what it shares counted each time
_MOST_DEPTH = 50
_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_LARGEST_OPERAND = 10_000  # whose power by itself has 133,000 bits
_REST = "**"  # the key under which a mapping holds what is added to it and is not known


@dataclass(frozen=True)
class Opaque:
    """A value that is not a literal: its expression, and where that stands, such as "line 3"."""

    node: ast.AST
    line: str


@dataclass(frozen=True)
class Function:
    """A function of the program, and the names that it sees."""

    node: ast.FunctionDef
    names: MutableMapping[str, Any]


@dataclass(frozen=True)
class Found:
    """A value that a program assigns or returns under a name, or hands to ``sweep`` with ``keywords``."""

    name: str
    line: str
    value: Any
    keywords: Mapping[str, Any] | None = None


@dataclass
class Program:
    """What is found in a program: ``assigned`` values and ``calls`` of functions named sweep, in their order.

    Raises ValueError while it is followed where it makes more values than any real program does.
    """

    assigned: list[Found] = field(default_factory=list)
    calls: list[Found] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)
    _left: int = _MOST_VALUES
    _followed: set[ast.FunctionDef] = field(default_factory=set)

    def follow(self, body: list[ast.stmt], where: str = "") -> None:
        """Follow the statements of a module or cell; ``where`` comes before their line numbers."""
        follower = _Follower(self, self.names, where)
        follower.statements(body)
        for function in follower.functions:  # afterwards, for a function sees what is assigned below it
            _Follower(self, ChainMap({}, self.names), where, function.name).statements(function.body)

    def spend(self, values: int) -> None:
        """Count values that are made."""
        self._left -= values
        if self._left < 0:
            raise ValueError("it makes too many values")

    def result(self, function: Function, where: str) -> Any:
        """Return what a function returns, None where that is not known."""
        if function.node in self._followed:  # it calls itself
            return None
        self._followed.add(function.node)
        inner = _Follower(self, ChainMap({}, function.names), where, noting=False)
        inner.statements(function.node.body)
        self._followed.discard(function.node)
        return inner.returned


class _Follower:
    """Follows the statements of one scope. ``function`` is its name, empty for a module."""

    def __init__(
        self,
        program: Program,
        names: MutableMapping[str, Any],
        where: str,
        function: str = "",
        *,
        noting: bool = True,
    ) -> None:
        self.program, self.names, self.where, self.function = program, names, where, function
        self.noting = noting
        self.functions: list[ast.FunctionDef] = []
        self.returned: Any = None

    def statements(self, body: list[ast.stmt], depth: int = 0) -> None:
        """Follow statements, and those inside them."""
        for statement in body:
            self.program.spend(1)
            if isinstance(statement, ast.FunctionDef):
                self.functions.append(statement)
                self.names[statement.name] = Function(statement, self.names)
                continue
            if self.noting:
                self._note_calls(statement)
            self._statement(statement)
            if depth < _MOST_DEPTH and not isinstance(statement, ast.ClassDef):
                for block in ("body", "orelse", "finalbody"):
                    inner = getattr(statement, block, None)
                    if isinstance(inner, list):
                        self.statements(inner, depth + 1)

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets=targets, value=value):
                known = self.value(value)
                for target in targets:
                    self._assign(target, known)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, self.value(value))
            case ast.AugAssign(target=target) | ast.For(target=target):
                self._assign(target, self._opaque(statement))
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr="update")) as call):
                mapping = self.value(owner)
                if isinstance(mapping, dict):
                    self._add(mapping, self._dict(call))
            case ast.Return(value=ast.expr() as value):
                self.returned = self.value(value)
                self._note(self.function, value, self.returned)

    def _assign(self, target: ast.expr, value: Any) -> None:
        match target:
            case ast.Name(id=name):
                self.names[name] = value
                self._note(name, target, value)
            case ast.Subscript(value=owner, slice=key):
                mapping, known = self.value(owner), self.value(key)
                if isinstance(mapping, dict):
                    self._add(mapping, {known if isinstance(known, (str, int)) else _REST: value})
            case ast.Tuple(elts=parts):
                for part in parts:
                    self._assign(part, self._opaque(target))

    def _note(self, name: str, node: ast.AST, value: Any) -> None:
        if self.noting and name:
            self.program.assigned.append(Found(name, self._line(node), value))

    def _note_calls(self, statement: ast.stmt) -> None:
        """Note the calls of functions named sweep in the expressions of a statement."""
        for expression in _expressions(statement):
            for node in ast.walk(expression):
                if isinstance(node, ast.Call) and _called(node) == "sweep":
                    words = {word.arg: word.value for word in node.keywords if word.arg}
                    given = node.args[0] if node.args else words.pop("sweep", None)
                    if given is not None:
                        name = given.id if isinstance(given, ast.Name) else ""
                        keywords = {word: self.value(value) for word, value in words.items()}
                        self.program.calls.append(Found(name, self._line(node), self.value(given), keywords))

    def value(self, node: ast.expr, depth: int = 0) -> Any:  # noqa: PLR0911 - a case for each kind
        """Return the value of an expression. It is `Opaque`, or holds such, where it is not a literal."""
        self.program.spend(1)
        found: Any = None
        if depth > _MOST_DEPTH:
            return self._opaque(node)
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return -number
            case ast.BinOp(left=left, op=op, right=right):
                found = _calculated(op, self.value(left, depth + 1), self.value(right, depth + 1))
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.value(item, depth + 1) for item in items]
            case ast.Dict(keys=keys, values=values):
                return self._dict_of(keys, values, depth)
            case ast.Call(func=ast.Name(id="dict")):
                return self._dict(node, depth)
            case ast.Call(func=ast.Name(id=name), args=[], keywords=[]):
                function = self.names.get(name)
                found = self.program.result(function, self.where) if isinstance(function, Function) else None
            case ast.Name(id=name):
                found = self.names.get(name)
            case ast.Subscript(value=owner, slice=key):
                mapping, known = self.value(owner, depth + 1), self.value(key, depth + 1)
                found = mapping.get(known) if isinstance(mapping, dict) and isinstance(known, str) else None
        return self._opaque(node) if found is None or isinstance(found, Function) else found

    def _dict_of(self, keys: list[ast.expr | None], values: list[ast.expr], depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, node in zip(keys, values):
            value = self.value(node, depth + 1)
            known = None if key is None else self.value(key, depth + 1)
            if key is None:  # **value
                self._add(found, value)
            else:
                self._add(
                    found, {known: value} if isinstance(known, (str, int, float)) else self._opaque(key)
                )
        return found

    def _dict(self, call: ast.Call, depth: int = 0) -> dict[Any, Any]:
        """Return what ``dict(…)`` makes, or ``update(…)`` adds."""
        found: dict[Any, Any] = {}
        for argument in call.args:
            self._add(found, self.value(argument, depth + 1))
        for word in call.keywords:
            value = self.value(word.value, depth + 1)
            self._add(found, {word.arg: value} if word.arg else value)
        return found

    def _add(self, mapping: dict[Any, Any], more: Any) -> None:
        """Put the items of a mapping into another; what is not a mapping stays in it as such."""
        more = more if isinstance(more, dict) else {_REST: more}
        self.program.spend(len(more))
        mapping.update(more)

    def _opaque(self, node: ast.AST) -> Opaque:
        return Opaque(node, self._line(node))

    def _line(self, node: ast.AST) -> str:
        return f"{self.where}line {getattr(node, 'lineno', 0)}"


def _calculated(op: ast.operator, left: Any, right: Any) -> float | None:
    """Return what two numbers make, as in 10**-3 and 2**5; None where they are none, or too large."""
    calculate = _OPERATORS.get(type(op))
    is_number = all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in (left, right))
    if calculate is None or not is_number or abs(left) > _LARGEST_OPERAND or abs(right) > _LARGEST_OPERAND:
        return None
    try:
        found = calculate(left, right)
    except (ArithmeticError, ValueError):
        return None
    return found if isinstance(found, (int, float)) else None


def _expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    for _, content in ast.iter_fields(statement):
        for item in content if isinstance(content, list) else [content]:
            if isinstance(item, ast.expr):
                yield item


def _called(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", None) or getattr(call.func, "id", ""))


def _code(node: ast.AST) -> str:
    try:
        code = " ".join(ast.unparse(node).split())
    except (RecursionError, ValueError):
        code = "an expression that is nested too deeply"
    return code if len(code) <= 60 else f"{code[:57]}..."


def plain(value: Any) -> Any:
    """Return a copy of a value. Raises ValueError where a part of it is no literal, or it holds itself."""
    left = [_MOST_VALUES]

    def copy(part: Any, depth: int) -> Any:
        left[0] -= 1
        if left[0] < 0 or depth > _MOST_DEPTH:
            raise ValueError("it holds itself, or too many values")
        if isinstance(part, Opaque):
            raise ValueError(f"{part.line}: {_code(part.node)} is not a literal")
        if isinstance(part, dict):
            return {key: copy(item, depth + 1) for key, item in part.items()}
        return [copy(item, depth + 1) for item in part] if isinstance(part, list) else part

    return copy(value, 0)
