"""The text of a card: plain, unambiguous YAML that does not multiply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from anomaly_eval.errors import InputError

_MOST_MERGED = 10_000


class _RepeatedKeyError(Exception):
    """A key stands twice in one mapping."""


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


def parse_card(content: bytes, path: Path) -> object:
    """Return what a card's file holds; raises InputError for anything that is not plain, unambiguous YAML."""
    try:
        parsed: object = yaml.load(content, _CardLoader)
    except _RepeatedKeyError as error:
        raise InputError(f"the dataset card {path} has {error}; remove one of the two.") from error
    except RecursionError as error:
        raise InputError(f"the dataset card {path} is nested too deep; write it as the shipped cards are.") from error
    except _MergedTooOftenError as error:
        raise InputError(f"the dataset card {path} merges mappings without end; write out what it says.") from error
    except Exception as error:  # values such as the date 2024-13-45 raise errors of many kinds
        place = getattr(error, "problem_mark", None)
        line = f" at line {place.line + 1}" if place else ""
        raise InputError(f"the dataset card {path} is not valid YAML{line}; correct it.") from error
    return parsed
