"""The language of rules: which words, operators and functions an expression may use. `rules` reads what passes.

A rule is text in Python's syntax, so that it can be shown, stored and asked again; nothing but the nodes named here
parses, so that it cannot do anything but look at a scene.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from seewhy.errors import InputError, did_you_mean, message
from seewhy.world.grammar import COLOURS, SHAPES, SIZES, SLOTS, TEXTURES
from seewhy.world.scene import Background, Creature, Decoy, Part, Thing
from seewhy.world.tasks.kinds import Kind

MAX_LENGTH = 4000

ATTRIBUTES: Mapping[type, tuple[str, ...]] = {
    Thing: ("id", "shape", "colour", "texture", "size", "x", "y", "radius"),
    Creature: ("id", "body", "coat", "parts", *SLOTS, "x", "y", "radius"),
    Part: ("slot", "variant"),
    Background: ("kind", "hue"),
    Decoy: ("kind", "corner"),
    Kind: ("name", "variants", *SLOTS),
}
"""What a rule may ask of each kind of thing."""

NAMES = ("objects", "creatures", "items", "background", "decoy", "kinds")

_WORDS: Mapping[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "texture": TEXTURES,
    "size": tuple(SIZES),
}

COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}

ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


FUNCTIONS = ("any", "all", "sum", "count", "has", "only", "index", "noise")
"""What they do stands in `rules`."""


@cache
def parsed(rule: str) -> ast.expr:
    """The rule's syntax tree, checked.

    Raises
    ------
    InputError
        If it is no expression, or uses what the language does not have; the message names the nearest word.
    """
    if len(rule) > MAX_LENGTH:
        raise InputError(
            message(
                f"The rule has {len(rule)} characters.",
                f"A rule has at most {MAX_LENGTH}.",
                "Say it in fewer words.",
            )
        )
    try:
        tree = ast.parse(rule, mode="eval").body
        _check(rule, tree, frozenset(NAMES))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            message(
                f"The rule {rule!r} is no expression: {error}.",
                "A rule is one expression in Python's syntax.",
                "Pass for example \"has(colour='red', shape='star')\".",
            )
        ) from error
    return tree


def _check(rule: str, node: ast.AST, names: frozenset[str]) -> None:
    """Refuse what the language does not have; `names` are those that may be used here."""
    match node:
        case ast.Constant(value=value):
            if not isinstance(value, str | int | float | None):
                raise _refused(
                    rule, f"the constant {value!r}", "Constants are text, numbers, True, False, None."
                )
        case ast.Name(id=name):
            if name not in names:
                raise _unknown(rule, "name", name, names)
        case ast.Attribute(attr=name):
            every = sorted({each for known in ATTRIBUTES.values() for each in known})
            if name not in every:
                raise _unknown(rule, "attribute", name, every)
            _check(rule, node.value, names)
        case ast.Compare():
            _check_operators(rule, node.ops, COMPARE)
            _check_each(rule, [node.left, *node.comparators], names)
        case ast.BinOp():
            _check_operators(rule, [node.op], ARITHMETIC)
            _check_each(rule, [node.left, node.right], names)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            _check(rule, node.operand, names)
        case ast.BoolOp(values=parts) | ast.Tuple(elts=parts):
            _check_each(rule, parts, names)
        case ast.IfExp():
            _check_each(rule, [node.test, node.body, node.orelse], names)
        case ast.GeneratorExp():
            for loop in node.generators:
                if not isinstance(loop.target, ast.Name) or loop.is_async:
                    raise _refused(rule, "a loop over more than one variable", "A loop has one variable.")
                _check(rule, loop.iter, names)
                names = names | {loop.target.id}
                _check_each(rule, loop.ifs, names)
            _check(rule, node.elt, names)
        case ast.Call(func=ast.Name(id=function)):
            if function not in FUNCTIONS:
                raise _unknown(rule, "function", function, FUNCTIONS)
            _check_each(rule, node.args, names)
            _check_keywords(rule, function, bool(node.args), node.keywords)
        case _:
            raise _refused(rule, f"a Python {type(node).__name__}", "Rules only look at the scene.")


def _check_each(rule: str, nodes: Iterable[ast.AST], names: frozenset[str]) -> None:
    for node in nodes:
        _check(rule, node, names)


def _check_operators(rule: str, used: Iterable[ast.AST], known: Mapping[Any, Any]) -> None:
    for op in used:
        if type(op) not in known:
            raise _refused(rule, f"the operator {type(op).__name__}", "Rules compare, and use + - * /.")


def _check_keywords(rule: str, function: str, positional: bool, keywords: Iterable[ast.keyword]) -> None:
    for keyword in keywords:
        if function == "count" and positional:
            raise _refused(rule, "count() with values and a keyword", "Count values, or objects by keywords.")
        if function not in ("has", "count"):
            raise _refused(rule, f"a keyword of {function}()", "has() and count() alone take keywords.")
        factor = str(keyword.arg)
        if factor not in _WORDS:
            raise _unknown(rule, "keyword", factor, _WORDS)
        if not isinstance(keyword.value, ast.Constant) or keyword.value.value not in _WORDS[factor]:
            raise _unknown(rule, factor, ast.unparse(keyword.value).strip("'"), _WORDS[factor])


def _unknown(rule: str, what: str, name: str, known: Iterable[str]) -> InputError:
    every = list(known)
    return InputError(
        message(
            f"The rule {rule!r} uses the {what} {name!r}.",
            f"Rules know {', '.join(every)}.",
            did_you_mean(name, every),
        )
    )


def _refused(rule: str, what: str, needed: str) -> InputError:
    return InputError(message(f"The rule {rule!r} uses {what}.", needed, "Write it without."))
