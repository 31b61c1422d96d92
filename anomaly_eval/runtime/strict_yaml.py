"""The text of a card or another file of settings: plain, unambiguous YAML that does not multiply."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, ValidationError

from anomaly_eval.errors import InputError

_MOST_MERGED = 10_000
_LONGEST_PROBLEM = 500
_LONGEST_LINE = 500


class _RepeatedKeyError(Exception):
    """A key stands twice in one mapping."""


_WORDS = {
    "missing": "the field is missing",
    "extra_forbidden": "no field is called so",
    "tuple_type": "give a list, such as [a, b]",
    "list_type": "give a list, such as [a, b]",
    "dict_type": "give fields, such as {a: b}",
    "model_type": "give fields, such as {a: b}",
    "string_type": "give text, in quotes where it looks like a number, a date, yes or no",
}
"""What pydantic calls by the names of Python's types, for those who write YAML and JSON."""


class _MergedTooOftenError(Exception):
    """Merged mappings hold merged mappings, and so on, until all memory is taken."""


class _CardLoader(yaml.SafeLoader):
    """A safe loader that accepts no key twice, where YAML itself would keep the last one without a word."""

    _merged = 0

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Read a mapping, and raise _RepeatedKeyError where a key comes again."""
        node = super().compose_mapping_node(anchor)
        known = set()
        for key_node, _ in node.value:
            # A merged mapping (<<) may be overridden; keys that are no scalars are refused later, by YAML itself.
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node)
            if key in known:
                raise _RepeatedKeyError(f"the key {key!r:.100} twice, at line {key_node.start_mark.line + 1} again")
            known.add(key)
        return node

    def flatten_mapping(self, node: Any) -> None:
        """Put merged keys (<<) in their place; raises _MergedTooOftenError where merges of merges multiply them."""
        super().flatten_mapping(node)
        self._merged += len(node.value)
        if self._merged > _MOST_MERGED:
            raise _MergedTooOftenError


def parse_card(content: bytes, path: Path, what: str = "dataset card") -> object:
    """Return what a file holds that messages call `what`; raises InputError for all but plain, unambiguous YAML."""
    try:
        parsed: object = yaml.load(content, _CardLoader)
    except _RepeatedKeyError as error:
        raise InputError(f"the {what} {path} has {error}; remove one of the two.") from error
    except RecursionError as error:
        raise InputError(f"the {what} {path} is nested too deep; write it as the shipped ones are.") from error
    except _MergedTooOftenError as error:
        raise InputError(f"the {what} {path} merges mappings without end; write out what it says.") from error
    except Exception as error:  # values such as the date 2024-13-45 raise errors of many kinds
        place = getattr(error, "problem_mark", None)
        line = f" at line {place.line + 1}" if place else ""
        reason = getattr(error, "problem", None)
        why = f" ({reason})" if isinstance(reason, str) and reason.isprintable() and len(reason) < _LONGEST_LINE else ""
        raise InputError(f"the {what} {path} is not valid YAML{line}{why}; correct it.") from error
    return parsed


def first_problem(error: ValidationError) -> str:
    """Say in a few words what pydantic found wrong first, and in which field."""
    problem = error.errors(include_url=False)[0]
    field = ".".join(str(part)[:100] for part in problem["loc"])
    # Keys of a card may hold anything.
    field = field if field.isprintable() else repr(field)
    ours = problem.get("ctx", {}).get("error")
    # Our own messages have no full stop; dots at their end may be those of a path.
    message = (
        str(ours) if isinstance(ours, ValueError) else _WORDS.get(problem["type"], problem["msg"]).removesuffix(".")
    )
    text = f"{field}: {message}" if field else message
    return text if len(text) <= _LONGEST_PROBLEM else f"{text[:_LONGEST_PROBLEM]}…"


def one_line(text: str) -> str:
    """Raise ValueError for text that would break the lines of tables and messages."""
    if not text.isprintable():
        raise ValueError(f"{text!r} holds a line break or a control character")
    if len(text) > _LONGEST_LINE:
        raise ValueError(f"the text {text[:40]!r}… has more than {_LONGEST_LINE} characters")
    return text


Line = Annotated[str, AfterValidator(one_line)]
"""Text that may stand in tables and messages."""
