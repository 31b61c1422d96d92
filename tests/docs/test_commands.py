"""Every command line in the README and in docs/ meets the real one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from itertools import takewhile
from pathlib import Path

import pytest
import typer

from anomaly_eval.cli.main import app, main
from anomaly_eval.datasets.cards import load_card
from anomaly_eval.scores import choose_scores
from anomaly_eval.segmenters.base import Prediction
from tests.docs.pages import CHECKOUT, PAGES, blocks, commands, inline_code, name_of, shell_lines

COMMANDS = [pytest.param(words, id=f"{name_of(page)}: {' '.join(words)}") for page in PAGES for words in commands(page)]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_line_parses(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All runs but the command itself; the listings run as well."""
    ran: list[str] = []
    monkeypatch.setattr(typer.core.TyperCommand, "invoke", lambda self, context: ran.append(context.command_path))
    code = main([str(tmp_path) if word == "/data" else word for word in words])
    assert code == 0, capsys.readouterr().err
    assert ran or words[0] in ("datasets", "networks")


def test_scores_and_data_sets_are_known() -> None:
    for words in (words for page in PAGES for words in commands(page)):
        everything = frozenset(field.name for field in fields(Prediction))
        assert choose_scores(_values(words, "--scores"), everything) or "--scores" not in words
        for reference in [*_values(words, "--dataset"), *_values(words, "--fit-dataset")]:
            assert reference.endswith(".yaml") or load_card(reference)


def test_there_are_examples_of_every_command() -> None:
    shown = {words[0] for page in PAGES for words in commands(page)}
    named = {code.split()[1] for page in PAGES for code in inline_code(page) if code.startswith("gmmseg-anomaly ")}
    assert shown | named == set(typer.main.get_command(app).commands)


def test_options_in_the_text_exist() -> None:
    known = set(_options(typer.main.get_command(app)))
    for page in PAGES:
        named = {option for code in inline_code(page) for option in re.findall(r"(?:^|\s)(--[a-z][\w-]*)", code)}
        others = {"--nproc_per_node"}  # torchrun's
        assert named - known - others == set(), name_of(page)


def test_the_readme_runs_the_demo_and_the_tests_by_one_command_each() -> None:
    readme = CHECKOUT / "README.md"
    assert blocks(readme, "sh")[0] == "make demo\nmake test\n"
    assert "\nmake test </dev/null\n" in (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8")
    assert len(readme.read_text(encoding="utf-8").splitlines()) < 200


def test_targets_of_make_and_scripts_exist() -> None:
    targets = re.findall(r"^([a-z]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.M)
    for page in PAGES:
        for words in [*shell_lines(page), *(code.split() for code in inline_code(page))]:
            if words[:1] == ["make"] and len(words) == 2:
                assert words[1] in targets
            if words[:1] == ["python"] and words[1].endswith(".py"):
                assert (CHECKOUT / words[1]).is_file()


def _values(words: list[str], option: str) -> list[str]:
    """Return the words between an option and the next one."""
    after = words[words.index(option) + 1 :] if option in words else []
    return list(takewhile(lambda word: not word.startswith("-"), after))


def _options(command: typer.core.TyperCommand | typer.core.TyperGroup) -> Iterator[str]:
    # Some commands make options as they are called.
    for parameter in command.get_params(typer.Context(command)):
        yield from parameter.opts
    for below in getattr(command, "commands", {}).values():
        yield from _options(below)
