"""Rules of tasks: expressions in Python's syntax over one scene, worked out by the one small interpreter below.

The same text makes the labels, the truth about edits and the documentation. A rule may use

- names: `objects`, `creatures`, `items` (both), `background`, `decoy` (None without one), `kinds` (the creature
  classes of task T4), and the variables of its own generator expressions;
- attributes: those of `ATTRIBUTES`, such as `o.colour` or `c.beak` ("none" where the slot is empty);
- functions: those of `CALLED`, such as `any(...)`, `only(...)`, `has(colour='red', shape='star')`;
- constants, tuples, comparisons, `and`, `or`, `not`, `in`, + - * /, and `a if test else b`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from seewhy.errors import InputError, did_you_mean, message
from seewhy.world.grammar import SLOTS
from seewhy.world.hashing import Draws
from seewhy.world.scene import Creature, Scene, Thing
from seewhy.world.tasks.kinds import KINDS
from seewhy.world.tasks.rule_language import ARITHMETIC, ATTRIBUTES, COMPARE, parsed


class UndefinedRule(InputError):
    """The rule says nothing about this scene, for example since two objects are striped and one was asked for."""


def evaluate(rule: str, scene: Scene) -> Any:
    """The value of a rule for a scene.

    Raises
    ------
    UndefinedRule
        If the rule asks for the only one of none or several, or for the index of what is not listed.
    InputError
        If the rule is not in the language of rules.

    Examples
    --------
    >>> from seewhy.world.sampling import sample_scene
    >>> scene = sample_scene(0, 3)
    >>> evaluate("count(objects)", scene) == len(scene.objects)
    True
    """
    tree = parsed(rule)
    names = {
        "objects": scene.objects,
        "creatures": scene.creatures,
        "items": scene.items,
        "background": scene.background,
        "decoy": scene.decoy,
        "kinds": KINDS,
    }
    try:
        return _Reader(rule, scene).value(tree, names)
    except (TypeError, ArithmeticError, MemoryError) as error:
        raise InputError(
            message(
                f"The rule {rule!r} cannot be worked out for this scene: {error}.",
                "Each operation needs values of a type that it is made for.",
                "Mend the rule.",
            )
        ) from error


class _Reader:
    """Works out one rule for one scene."""

    def __init__(self, rule: str, scene: Scene) -> None:
        self.rule = rule
        self.scene = scene

    def value(self, node: ast.expr, names: Mapping[str, Any]) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return names[node.id]
            case ast.Attribute():
                return self._attribute(self.value(node.value, names), node.attr)
            case ast.Tuple():
                return tuple(self.value(part, names) for part in node.elts)
            case ast.BoolOp(op=ast.And()):
                return all(self.value(part, names) for part in node.values)
            case ast.BoolOp():
                return any(self.value(part, names) for part in node.values)
            case ast.UnaryOp(op=ast.Not()):
                return not self.value(node.operand, names)
            case ast.UnaryOp():
                return -self.value(node.operand, names)
            case ast.BinOp():
                combine = ARITHMETIC[type(node.op)]
                return combine(self.value(node.left, names), self.value(node.right, names))
            case ast.Compare():
                return self._compare(node, names)
            case ast.IfExp():
                return self.value(node.body if self.value(node.test, names) else node.orelse, names)
            case ast.GeneratorExp():
                return self._each(node.elt, node.generators, names)
            case ast.Call(func=ast.Name(id=function)):
                given = [self.value(part, names) for part in node.args]
                asked = {str(key.arg): self.value(key.value, names) for key in node.keywords}
                return CALLED[function](self, *given, **asked)
        raise AssertionError(f"{type(node).__name__} passed the check")

    def undefined(self, why: str) -> UndefinedRule:
        return UndefinedRule(
            message(
                f"In this scene {why}.",
                f"The rule {self.rule!r} needs exactly one.",
                "Ask about a scene of the task, or undo the edit.",
            )
        )

    def _compare(self, node: ast.Compare, names: Mapping[str, Any]) -> bool:
        left = self.value(node.left, names)
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator, names)
            if not COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def _each(
        self, element: ast.expr, loops: list[ast.comprehension], names: Mapping[str, Any]
    ) -> Iterator[Any]:
        loop, *inner = loops
        assert isinstance(loop.target, ast.Name)
        for one in self.value(loop.iter, names):
            within = {**names, loop.target.id: one}
            if all(self.value(test, within) for test in loop.ifs):
                if inner:
                    yield from self._each(element, inner, within)
                else:
                    yield self.value(element, within)

    def _attribute(self, owner: Any, name: str) -> Any:
        known = ATTRIBUTES.get(type(owner), ())
        if name not in known:
            kind = type(owner).__name__.lower() if known else repr(owner)
            raise InputError(
                message(
                    f"The rule {self.rule!r} asks for {name!r} of a {kind}.",
                    f"It has {', '.join(known) or 'no attributes'}.",
                    did_you_mean(name, known),
                )
            )
        if isinstance(owner, Creature) and name in SLOTS:
            return owner.variant(name)
        return getattr(owner, name)


def _any(reader: _Reader, values: Iterable[Any]) -> bool:
    return any(values)


def _all(reader: _Reader, values: Iterable[Any]) -> bool:
    return all(values)


def _sum(reader: _Reader, values: Iterable[Any]) -> Any:
    # Not the built-in sum, which rounds floats another way from Python 3.12 on.
    total: Any = 0
    for value in values:
        total = total + value
    return total


def _count(reader: _Reader, values: Iterable[Any] | None = None, **wanted: str) -> int:
    if values is not None:
        return sum(1 for _ in values)
    return sum(_fits(thing, wanted) for thing in reader.scene.objects)


def _has(reader: _Reader, **wanted: str) -> bool:
    return any(_fits(thing, wanted) for thing in reader.scene.objects)


def _only(reader: _Reader, values: Iterable[Any]) -> Any:
    found = list(values)
    if len(found) != 1:
        raise reader.undefined(f"{len(found) or 'none'} of what the rule asks for is there")
    return found[0]


def _index(reader: _Reader, value: Any, *options: Any) -> int:
    for at, option in enumerate(options):
        if value in option if isinstance(option, tuple) else value == option:
            return at
    raise reader.undefined(f"{value!r} is none of {options!r}")


def _noise(reader: _Reader, sigma: float) -> float:
    # Twelve uniform numbers less six: mean 0, variance 1, nearly normal; the same after any edit of the scene.
    draws = Draws(reader.scene.seed, reader.scene.index)
    total = -6.0
    for at in range(12):
        total += draws.uniform("task.noise", at)
    return float(sigma) * total


def _fits(thing: Thing, wanted: Mapping[str, str]) -> bool:
    return all(getattr(thing, name) == word for name, word in wanted.items())


CALLED: Mapping[str, Callable[..., Any]] = {
    "any": _any,
    "all": _all,
    "sum": _sum,
    "count": _count,
    "has": _has,
    "only": _only,
    "index": _index,
    "noise": _noise,
}
"""`count(...)` and `has(...)` take a shape, colour, texture or size by keyword and ask for one object with all of
them; `count(values)` counts any values. `only(values)` is the one value there is. `index(value, a, b, ...)` is the
place of the option that equals the value, or of the tuple that holds it. `noise(s)` is chance of standard deviation
s that belongs to the scene's seed and index."""
