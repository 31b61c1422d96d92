"""How the words of a command line are told apart, before the parser takes a single value after each option."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from anomaly_eval.errors import InputError

_NUMBER = re.compile(r"-\.?\d")


@dataclass(frozen=True)
class Option:
    """What must be known of an option to read words."""

    name: str
    takes_value: bool = True
    """False for flags, which may be given twice: that changes nothing."""
    multiple: bool = False
    """Whether it takes several values: as `--x a b`, as `--x a --x b`, or as both."""
    alone: str | None = None
    """What it means without a value; None where it needs one."""


@dataclass(frozen=True)
class Syntax:
    """What a command takes: options by each of their names, and words without an option."""

    options: Mapping[str, Option]
    needed: Sequence[str] = ()
    """Names of the words without which the command cannot run."""
    most: int | None = 0
    """How many words there may be at most; None is any number. They are not counted in a group of commands."""
    is_group: bool = False
    """Whether the first word is a command of its own, to which all that follows belongs."""


@dataclass
class _Reader:
    """Takes words one by one."""

    syntax: Syntax
    given: dict[str, str] = field(default_factory=dict)
    """Options by name, with what was said first."""
    words: list[str] = field(default_factory=list)
    after_single: tuple[Option, str] | None = None
    """The first word after the value of an option that takes only one."""
    swallowing: Option | None = None
    """A list that took more than one word."""
    others: list[str] = field(default_factory=list)
    """Words without an option."""

    def read(self, words: Sequence[str]) -> None:
        """Read all words; raises InputError for those that would be taken for something else than they look like."""
        rest = deque(words)
        before: Option | None = None
        while rest:
            word = rest.popleft()
            option = self.syntax.options.get(word.partition("=")[0])
            if word == "--":
                self._end(word, rest)
            elif option is not None:
                before = self._take_option(option, word, rest)
            elif _looks_like_an_option(word):
                # The parser refuses it, and knows what comes close to it.
                self.words.append(word)
                before = None
            elif before is not None and before.multiple:
                _refuse_empty(before.name, word)
                self.words += [before.name, word]
                self.swallowing = before
            elif self.syntax.is_group:
                self._end(word, rest)
            else:
                if before is not None and self.after_single is None:
                    self.after_single = before, word
                self.words.append(word)
                self.others.append(word)
                before = None
        if not self.syntax.is_group:
            self._check_others()

    def _end(self, word: str, rest: deque[str]) -> None:
        """Take all that follows as it is."""
        self.others += rest
        self.words += [word, *rest]
        rest.clear()

    def _take_option(self, option: Option, word: str, rest: deque[str]) -> Option | None:
        """Take an option and its first value; return it where more values could follow."""
        name, equals, value = word.partition("=")
        if not option.takes_value:
            self.words.append(word)
            return None
        if not equals:
            follows = self._value(option, name, rest)
            if follows is None:
                self.words.append(name)
                return None
            value = follows
        _refuse_empty(name, value)
        if option.name in self.given and not option.multiple:
            raise InputError(
                f"{name} takes one value, and {self.given[option.name]!r} and {value!r} are two; leave one of them out."
            )
        self.given.setdefault(option.name, value)
        self.words.append(f"{name}={value}")
        return None if equals else option

    def _value(self, option: Option, name: str, rest: deque[str]) -> str | None:
        """Take the word after an option; None where there is none, which the parser refuses."""
        follows = rest[0] if rest else None
        is_option = follows is not None and (follows == "--" or follows.partition("=")[0] in self.syntax.options)
        if option.alone is not None and (follows is None or _looks_like_an_option(follows)):
            return option.alone
        if is_option:
            raise InputError(f"{name} needs a value, but {follows} follows; add one, or write {name}=... for this one.")
        return rest.popleft() if rest else None

    def _check_others(self) -> None:
        """Refuse too many words without an option, empty ones, and too few where a list took them."""
        most, count = self.syntax.most, len(self.others)
        for word in self.others:
            _refuse_empty("an argument", word)
        if most is not None and count > most:
            if most == 0 and self.after_single is not None:
                option, word = self.after_single
                first = self.given[option.name]
                raise InputError(f"{option.name} takes one value, and {first!r} and {word!r} are two; give one.")
            raise InputError(f"there is no use for {self.others[most]!r}; leave it out.")
        if count < len(self.syntax.needed) and self.swallowing is not None:
            missing, taking = self.syntax.needed[count], self.swallowing.name
            raise InputError(
                f"there is no {missing}, as {taking} takes all words that follow it; put {missing} before {taking}, or "
                f"at the very end, after --."
            )


def read_words(syntax: Syntax, words: Sequence[str]) -> tuple[list[str], frozenset[str]]:
    """Return words that the parser understands as they are meant, and the names of the options that have values.

    Lists become one option a value. Raises InputError, in one sentence, where an option with one value gets two, where
    an option stands in the place of a value, and for words that belong to nothing.
    """
    reader = _Reader(syntax)
    reader.read(words)
    return reader.words, frozenset(reader.given)


def refuse_unknown(option: str, command: str) -> NoReturn:
    """Refuse an option of a group that the command in it does not have."""
    raise InputError(f"{command} has no {option}; leave it out.")


def _refuse_empty(what: str, value: str) -> None:
    """Refuse what a variable of the shell gives that is not set: as a path it would be the current folder."""
    if not value:
        raise InputError(f"{what} is empty, as a variable that is not set; give a value, or leave it out.")


def _looks_like_an_option(word: str) -> bool:
    return word.startswith("-") and word != "-" and not _NUMBER.match(word)
