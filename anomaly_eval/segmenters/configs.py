"""Finding the config of a checkpoint: in the checkpoint's meta (as literals only), in a file, or by name."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.shipped import config_source
from gmmseg.checkpoints import Checkpoint
from gmmseg.config_files import read_config

_FOR_TRAINING = frozenset({"init_cfg", "pretrained", "loss_decode", "auxiliary_head", "sampler"})
# Modules of the zoo read files that their settings name, some of them by unpickling.
_FILE = re.compile(r"[/\\]|\.(pkl|pickle|json|ya?ml|npy|npz|pt|pth|ckpt|bin|py)$", re.IGNORECASE)
_LONGEST = 1_000_000
"""Characters of a config inside a checkpoint; those of the zoo have some tens of thousands."""


@dataclass(frozen=True)
class ModelConfig:
    """The `model` part of an mmsegmentation config, and where it came from."""

    model: dict[str, Any]
    source: str

    @property
    def sha256(self) -> str:
        """Hash of the model's settings, the same wherever they were read from."""
        try:
            text = json.dumps(self.model, sort_keys=True, default=list)
        except TypeError:  # keys of several kinds have no order, and a config file may hold classes and functions
            text = json.dumps(_with_text_keys(self.model), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def find_config(checkpoint: Checkpoint, given: str | None) -> ModelConfig:
    """Return the config named by the user, else the one in the checkpoint.

    `given` is a Python config file, a name such as `mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py`,
    or the stem of a config that ships with the project. A file that the user names is executed, as mmengine does;
    text in a checkpoint never is.
    """
    if given is not None:
        return _config_from_file(given)
    texts = [text for name in ("cfg", "config") if isinstance(text := checkpoint.meta.get(name), str) and text.strip()]
    if not texts:
        raise InputError(
            f"the checkpoint {checkpoint.path} carries no config; name it with --config FILE.py or mmseg::NAME."
        )
    try:
        settings = parse_literals(texts[0])
    except ValueError as error:
        raise InputError(
            f"the config inside {checkpoint.path} is more than plain values ({error}) and is not executed; name a "
            f"config file that you trust with --config."
        ) from error
    model = settings.get("model")
    if not isinstance(model, dict):
        raise InputError(f"the config inside {checkpoint.path} has no `model`; name another one with --config.")
    model = for_inference(model)
    _refuse_what_reads_or_imports(model, checkpoint.path)
    return ModelConfig(model, "checkpoint meta")


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


def for_inference(model: dict[str, Any]) -> dict[str, Any]:
    """Drop what only training uses: how weights begin, losses (which may name files), auxiliary heads, samplers."""
    return {key: _for_inference(value) for key, value in model.items() if key not in _FOR_TRAINING}


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list | tuple) else value


def _for_inference(value: Any) -> Any:
    if isinstance(value, dict):
        return for_inference(value)
    if isinstance(value, list | tuple):
        return type(value)(_for_inference(item) for item in value)
    return value


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


def _config_from_file(given: str) -> ModelConfig:
    config = read_config(config_source(given), given)
    model = config.get("model")
    if not isinstance(model, Mapping):
        raise InputError(f"the config {given} has no `model`; is it a base file rather than a whole config?")
    plain: Any = model.to_dict() if hasattr(model, "to_dict") else dict(model)
    return ModelConfig(for_inference(plain), given)


def _refuse_what_reads_or_imports(value: Any, path: Path) -> None:
    """Refuse a `type` that is not registered, as the registry would import what it names, and names of files."""
    if isinstance(value, dict):
        scope, kind = value.get("_scope_", "mmseg"), value.get("type")
        if scope != "mmseg" or (kind is not None and not _is_registered(kind)):
            raise InputError(
                f"the config inside {path} asks for {reprlib.repr(kind)}, which is no module of mmsegmentation; name a "
                f"config file that you trust with --config."
            )
        for item in value.values():
            _refuse_what_reads_or_imports(item, path)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_what_reads_or_imports(item, path)
    elif isinstance(value, str) and _FILE.search(value):
        raise InputError(
            f"the config inside {path} names a file ({value[:200]!r}), which is not read on a checkpoint's word; name "
            f"a config file that you trust with --config."
        )


def _is_registered(kind: object) -> bool:
    """Whether a name is in mmsegmentation's registries or in mmengine's, which are their parents."""
    import mmengine.registry
    import mmseg.registry

    if not isinstance(kind, str):
        return False
    registries = [
        getattr(module, name)
        for module in (mmseg.registry, mmengine.registry)
        for name in ("MODELS", "TASK_UTILS", "WEIGHT_INITIALIZERS")
    ]
    return any(kind.removeprefix("mmseg.") in registry.module_dict for registry in registries)
