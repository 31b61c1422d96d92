"""Configs as plain values: read from text without running it, or taken from what a file held."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

_LONGEST = 1_000_000
"""Characters, or values, of a config inside a checkpoint; those of the zoo have some tens of thousands."""


def parse_literals(text: str) -> dict[str, Any]:
    """Evaluate `name = value` lines whose values are literals, `dict(key=value)` calls and containers of these.

    This is the whole of what `mmengine.Config.pretty_text` writes. Raises ValueError for anything else.
    """
    if len(text) > _LONGEST:
        raise ValueError("it is too long")
    try:
        return dict(_assignment(statement) for statement in _parse(text).body)
    except (RecursionError, MemoryError) as error:
        raise ValueError("it is nested too deeply") from error
    except TypeError as error:
        raise ValueError(f"it does not evaluate: {error}") from error


def _parse(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise ValueError("it is not valid Python") from error


def plain_values(settings: Mapping[Any, Any]) -> dict[str, Any]:
    """Copy settings that a file held as an object; raises ValueError for anything but what `parse_literals` returns."""
    left = _LONGEST

    def copied(value: Any, deepest: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or deepest == 0:
            raise ValueError("it is too long or nested too deeply")
        if isinstance(value, Mapping):
            return {copied(key, deepest - 1): copied(item, deepest - 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(copied(item, deepest - 1) for item in value)
        if value is None or type(value) in (str, bool, int, float):
            return value
        raise ValueError(f"it holds an object of the kind {type(value).__name__}")

    return {str(key): copied(value, 50) for key, value in settings.items() if key in _READ}


_READ = frozenset(
    {
        "model",
        "data_preprocessor",
        "train_dataloader",
        "val_dataloader",
        "test_dataloader",
        "data",
        "metainfo",
        "classes",
        "custom_imports",
    }
)
"""What is taken from a config that is no text."""


def _assignment(statement: ast.stmt) -> tuple[str, Any]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, _literal(value)
    raise ValueError(f"line {statement.lineno} is no plain assignment")


def _literal(node: ast.expr) -> Any:
    """Evaluate one expression of the restricted language of `parse_literals`."""
    match node:
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords):
            result: dict[Any, Any] = {}
            for keyword in keywords:
                value = _literal(keyword.value)
                result.update(value if keyword.arg is None else {keyword.arg: value})
            return result
        case ast.Call(func=ast.Name(id="dict"), args=[ast.Dict() as argument], keywords=[]):
            # So mmengine writes a dictionary whose keys are no names.
            return _literal(argument)
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {_literal(key): _literal(value) for key, value in zip(keys, values, strict=True) if key}
        case ast.List(elts=items):
            return [_literal(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_literal(item) for item in items)
        case ast.Name(id=("inf" | "nan") as name):
            return float(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _literal(operand)
            if isinstance(value, int | float):
                return -value
        case ast.Constant(value=(str() | bool() | int() | float() | None) as value):
            return value
    raise ValueError(f"line {node.lineno} holds `{ast.unparse(node)[:60]}`")
