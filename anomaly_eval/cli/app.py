"""Commands and groups of commands in which every option is read by the same rules."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Optional, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from anomaly_eval.cli.arguments import Option, Syntax, read_words, refuse_unknown
from anomaly_eval.errors import InputError
from anomaly_eval.runtime.option_fields import AskedField, asked_fields, build

_ALONE = "options_alone"
"""Attribute of a function: what its options mean that are given without a value, by option."""


class Command(TyperCommand):
    """A command that reads lists as lists, refuses single options given twice, and takes options of its group."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _prepared(self, ctx, args, getattr(self.callback, _ALONE, {})))


class Group(TyperGroup):
    """A group of such commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _prepared(self, ctx, args, {}))


class App(typer.Typer):
    """An application, or a part of one, made of such commands and groups."""

    def __init__(self, help: str, **settings: Any) -> None:
        super().__init__(cls=Group, help=help, add_completion=False, pretty_exceptions_enable=False, **settings)

    def command(
        self, name: str | None = None, *, cls: type[TyperCommand] | None = Command, **settings: Any
    ) -> Callable[[Any], Any]:
        """Register a function as a command, as typer does; see `with_fields`."""
        register = super().command(name, cls=cls, **settings)

        def decorate(function: Any) -> Any:
            register(with_fields(function))
            return function

        return decorate


def with_fields(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes the fields of dataclasses, those with `Asked`, in the place of the dataclasses."""
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if dataclasses.is_dataclass(kind)}
    if not groups:
        return function

    def command(**words: Any) -> Any:
        for name, kind in groups.items():
            words[name] = build(kind, _values(kind, words))
        return function(**words)

    taken: list[inspect.Parameter] = []
    alone: dict[str, str] = {}
    for param in inspect.signature(function).parameters.values():
        kind = groups.get(param.name)
        if kind is None:
            taken.append(param.replace(annotation=hints.get(param.name), kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        for name, field in asked_fields(kind).items():
            taken.append(_parameter(name, field))
            if field.asked.alone is not None:
                alone[field.asked.flag_of(name)] = field.asked.alone
    signed = _signed(command, taken, function)
    setattr(signed, _ALONE, alone)
    return signed


def _values(kind: Any, words: dict[str, Any]) -> dict[str, Any]:
    """Take the words for the fields of a dataclass out, and return the values that they mean."""
    taken = {name: (field.asked, words.pop(name)) for name, field in asked_fields(kind).items()}
    # The parser takes None for no words.
    return {name: asked.value_of(word) for name, (asked, word) in taken.items() if word is not None}


def _parameter(name: str, field: AskedField) -> inspect.Parameter:
    """Return what the parser is told of a field that is asked for."""
    asked = field.asked
    if asked.is_argument:
        info: Any = typer.Argument(help=asked.help)
    else:
        info = typer.Option(asked.flag_of(name), help=asked.help, min=asked.min, max=asked.max)
    kind = _as_read(field.type) if asked.read is None else str
    annotation: Any = Annotated[kind, info]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_default(field), annotation=annotation)


def _as_read(kind: Any) -> Any:
    """Return what words are read as: the parser knows lists only."""
    inner = [one for one in get_args(kind) if one is not type(None)]
    if get_origin(kind) is Sequence:
        return list[inner[0]]  # type: ignore[valid-type]
    return kind if len(inner) == len(get_args(kind)) else Optional[_as_read(inner[0])]  # noqa: UP045


def _default(field: AskedField) -> Any:
    """Return the default of a parameter; none where the field must be given."""
    if field.default is dataclasses.MISSING:
        return inspect.Parameter.empty
    if isinstance(field.default, tuple):
        return list(field.default) or None
    if field.asked.read is not None and field.default is not None:
        return str(field.default)
    return not field.default if field.asked.negated else field.default


def _signed(command: Any, taken: Sequence[inspect.Parameter], like: Any = None) -> Callable[..., Any]:
    """Give a function the parameters that typer reads off it, and the name and the text of another."""
    if like is not None:
        command.__name__, command.__doc__ = like.__name__, like.__doc__
    command.__signature__ = inspect.Signature(taken)
    command.__annotations__ = {param.name: param.annotation for param in taken}
    signed: Callable[..., Any] = command
    return signed


def parameters(options: Mapping[str, tuple[Any, Any]]) -> list[Any]:
    """Return optional parameters by their names, each from its type and what `typer.Option` made of it."""

    def command(**values: Any) -> None: ...

    taken = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option])
        for name, (kind, option) in options.items()
    ]
    one = typer.Typer(add_completion=False)
    one.command()(_signed(command, taken))
    params: list[Any] = typer.main.get_command(one).params
    return params


def _prepared(command: Any, context: Any, words: Sequence[str], alone: Mapping[str, str]) -> list[str]:
    """Return the words as the parser should see them, and give the command what its groups were given."""
    if any(word in context.help_option_names for word in words):
        return list(words)
    is_group = isinstance(command, Group)
    read, given = read_words(_syntax(command.get_params(context), alone, is_group), words)
    own = {param.name: param.opts[0] for param in command.params if _is_option(param)}
    for name, (option, value) in _of_groups(context).items():
        if name in own:
            if own[name] in given:
                raise InputError(f"{option} is given before and after {context.info_name}; leave one of them out.")
            context.default_map = {**(context.default_map or {}), name: value}
        elif not is_group:
            refuse_unknown(option, context.command_path)
    return read


def _syntax(params: Sequence[Any], alone: Mapping[str, str], is_group: bool) -> Syntax:
    """Derive what a command takes from its parameters."""
    options: dict[str, Option] = {}
    for param in filter(_is_option, params):
        one = Option(param.opts[0], not (param.is_flag or param.count), param.multiple, alone.get(param.opts[0]))
        options |= dict.fromkeys([*param.opts, *param.secondary_opts], one)
    arguments = [param for param in params if not _is_option(param)]
    unlimited = any(param.nargs < 0 for param in arguments)
    return Syntax(
        options,
        needed=[param.name.upper() for param in arguments if param.required],
        most=None if unlimited else sum(param.nargs for param in arguments),
        is_group=is_group,
    )


def _is_option(param: Any) -> bool:
    return bool(param.param_type_name == "option")


def _of_groups(context: Any) -> dict[str, tuple[str, Any]]:
    """Return the options that the groups around a command were given, by the parameter's name: option and value."""
    given: dict[str, tuple[str, Any]] = {}
    group = context.parent
    while group is not None:
        for param in filter(_is_option, group.command.params):
            source = group.get_parameter_source(param.name)
            if source is not None and source.name == "COMMANDLINE":
                given.setdefault(param.name, (param.opts[0], group.params[param.name]))
        group = group.parent
    return given
