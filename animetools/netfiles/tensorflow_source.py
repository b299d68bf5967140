"""Constants in the source text of a network, which is parsed and never run.

TensorFlow's StyleGANs store the source of the module that built them in every file. Where somebody
edited a default, or assigned a constant in a function's body (StyleGAN2-ext), only that text shows
it.
"""

import ast
import operator
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from animetools.errors import Advice

LONGEST = 256 << 10  # characters; the real ones have about 50,000
LARGEST = 1 << 40  # integer, so that no shift or product grows
DEEPEST = 20

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift,
}


def constants(source: str, function: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The defaults in a function's signature, and what its body assigns to its parameters.

    Only literals, lists of them and arithmetic on them count, and only assignments that always
    run. Text that is too long or is not Python gives nothing, and an Advice.
    """
    for node in _parsed(source):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return _defaults(node.args), _assigned(node)
    return {}, {}


@lru_cache(maxsize=1)  # all networks of a file hold the same text
def _parsed(source: str) -> list[ast.stmt]:
    try:
        if len(source) > LONGEST:
            raise ValueError
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source.removeprefix("\ufeff")).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        warnings.warn(
            "the source code in this file cannot be parsed: defaults are assumed",
            Advice,
            stacklevel=1,
        )
        return []


def _defaults(args: ast.arguments) -> dict[str, Any]:
    names = [arg.arg for arg in (*args.posonlyargs, *args.args)]
    given = dict(zip(reversed(names), reversed(args.defaults), strict=False))
    given |= {a.arg: d for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d}
    return {name: v for name, node in given.items() if (v := _value(node)) not in (None, _UNKNOWN)}


def _assigned(node: ast.FunctionDef) -> dict[str, Any]:
    args = node.args
    names = {arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)}
    found: dict[str, Any] = {}
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in names:
                found[name] = _value(value)
    return {name: value for name, value in found.items() if value is not _UNKNOWN}


_UNKNOWN = object()


def _value(node: ast.expr, depth: int = 0) -> Any:
    """The value of an expression of literals, else _UNKNOWN."""
    if depth > DEEPEST:
        return _UNKNOWN
    match node:
        case ast.Constant(value=None | bool() | str() | int() | float() as value):
            return value if type(value) is not int or value <= LARGEST else _UNKNOWN
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            values = [_value(part, depth + 1) for part in parts]
            return values if all(value is not _UNKNOWN for value in values) else _UNKNOWN
        case ast.UnaryOp(op=ast.USub(), operand=part):
            value = _value(part, depth + 1)
            return -value if type(value) in (int, float) else _UNKNOWN
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _combined(
                _OPERATORS[type(op)], _value(left, depth + 1), _value(right, depth + 1)
            )
    return _UNKNOWN


def _combined(operate: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if type(left) not in (int, float) or type(right) not in (int, float):
        return _UNKNOWN
    if operate is operator.lshift and (type(right) is not int or not 0 <= right <= 40):
        return _UNKNOWN
    try:
        value = operate(left, right)
    except (ArithmeticError, TypeError):
        return _UNKNOWN
    return value if abs(value) <= LARGEST else _UNKNOWN
