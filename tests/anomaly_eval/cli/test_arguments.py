"""Words to options: lists are lists, single options are single, and nothing is dropped in silence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from anomaly_eval.cli.app import App, Command, Group
from anomaly_eval.cli.arguments import Option, Syntax, read_words
from anomaly_eval.cli.main import app, main
from anomaly_eval.errors import InputError
from anomaly_eval.runtime.option_fields import build, given_flags
from gmmseg.asked import Asked
from tests.anomaly_eval.commands import assert_refused

OPTIONS = {
    "--ckpt": Option("--ckpt"),
    "--scores": Option("--scores", multiple=True),
    "--names": Option("--names", multiple=True),
    "--figures": Option("--figures", takes_value=False),
    "--save": Option("--save", alone="float32"),
}
ALONE = Syntax(OPTIONS)
WITH_WORDS = Syntax(OPTIONS, needed=["RUNS"], most=None)


def read(text: str, syntax: Syntax = ALONE) -> str:
    return " ".join(read_words(syntax, text.split())[0])


@pytest.mark.parametrize(
    "text",
    [
        "--scores a b",
        "--scores a --scores b",
        "--scores=a --scores=b",
        "--scores=a --scores b",
        "--scores a --scores=b",
    ],
)
def test_a_list_is_a_list_however_it_is_written(text: str) -> None:
    words = read(text)
    assert words.replace("--scores=", "--scores ") == "--scores a --scores b"


def test_a_list_ends_at_the_next_option() -> None:
    assert read("--scores a b --ckpt c --names d e --figures") == (
        "--scores=a --scores b --ckpt=c --names=d --names e --figures"
    )


@pytest.mark.parametrize(
    "text", ["--ckpt a --ckpt b", "--ckpt=a --ckpt=b", "--ckpt a --figures --ckpt=b", "--ckpt a b"]
)
@pytest.mark.parametrize("order", ["{}", "--scores x y {}"])
def test_a_single_option_has_one_value(text: str, order: str) -> None:
    with pytest.raises(InputError, match=r"^--ckpt takes one value, and 'a' and 'b' are two; .*\.$"):
        read(order.format(text))


def test_the_same_value_twice_is_twice() -> None:
    with pytest.raises(InputError, match="'a' and 'a' are two"):
        read("--ckpt a --ckpt a")


def test_flags_may_be_given_twice() -> None:
    assert read("--figures --figures") == "--figures --figures"


def test_words_without_an_option_stand_before_after_and_between_options_but_not_after_a_list() -> None:
    for text in ("run --names a b", "--names a b -- run", "--names a b --ckpt c run", "--names=a run", "--figures run"):
        assert "run" in read(text, WITH_WORDS).split()
        assert "--names run" not in read(text, WITH_WORDS)
    with pytest.raises(
        InputError, match=r"there is no RUNS, as --names takes all words .* or at the very end, after --\."
    ):
        read("--figures --names a run", WITH_WORDS)


def test_words_that_repeat_are_left_to_the_command() -> None:
    assert read("run run", WITH_WORDS) == "run run"


def test_words_that_belong_to_nothing_are_refused() -> None:
    with pytest.raises(InputError, match=r"^there is no use for 'b'; leave it out\.$"):
        read("a --figures b", Syntax(OPTIONS, needed=["NAME"], most=1))
    with pytest.raises(InputError, match="no use for 'b'"):
        read("a -- b", Syntax(OPTIONS, needed=["NAME"], most=1))


def test_after_two_dashes_nothing_is_an_option() -> None:
    assert read("--ckpt a -- --ckpt b --names", WITH_WORDS) == "--ckpt=a -- --ckpt b --names"


def test_values_may_begin_with_a_dash() -> None:
    assert read("--ckpt -x") == "--ckpt=-x"
    assert read("--ckpt=--figures") == "--ckpt=--figures"
    assert read("--ckpt - --scores - -") == "--ckpt=- --scores=- --scores -"


def test_negative_numbers_are_values() -> None:
    assert read("--ckpt -3.5") == "--ckpt=-3.5"
    assert read("--scores -1 -.5 -2e-3 --figures") == "--scores=-1 --scores -.5 --scores -2e-3 --figures"


def test_an_option_is_no_value() -> None:
    for text in ("--ckpt --figures", "--scores --ckpt a", "--ckpt --"):
        with pytest.raises(InputError, match=r"needs a value, but --\w* follows; add one"):
            read(text)


@pytest.mark.parametrize(
    ("words", "empty"),
    [
        (["--ckpt", ""], "--ckpt"),
        (["--ckpt="], "--ckpt"),
        (["--scores", "a", "", "b"], "--scores"),
        (["a", ""], "an argument"),
        (["--", ""], "an argument"),
    ],
)
def test_an_empty_word_is_refused(words: list[str], empty: str) -> None:
    with pytest.raises(InputError, match=f"^{empty} is empty, as a variable that is not set; "):
        read_words(WITH_WORDS, words)


@pytest.mark.parametrize(
    "words",
    [
        ["predict", ""],
        ["predict", "photo.jpg", "--out", ""],
        ["eval", "--ckpt", "", "--dataset", "road_anomaly"],
        ["eval", "--ckpt", "net.pth", "--dataset", "road_anomaly", "--data-root", ""],
        ["datasets", "--data-root", "", "list"],
        ["report", "", "--out", "report"],
    ],
    ids=" ".join,
)
def test_a_variable_that_is_not_set_is_not_the_current_folder(words: list[str], tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused((main(words), "", capsys.readouterr().err), "is empty, as a variable that is not set")
    assert not list(tmp_path.iterdir())


def test_an_unknown_option_ends_a_list_and_is_left_to_the_parser() -> None:
    assert read("--scores a --nope") == "--scores=a --nope"


def test_an_option_that_may_stand_alone() -> None:
    assert read("--save") == "--save=float32"
    assert read("--save --figures") == "--save=float32 --figures"
    assert read("--save float16 --scores a") == "--save=float16 --scores=a"
    with pytest.raises(InputError, match="'float32' and 'float16' are two"):
        read("--save --save float16")


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield all commands and groups with their words."""
    command = command or typer.main.get_command(app)
    yield path, command
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, (*path, name))


def test_every_command_reads_words_by_these_rules() -> None:
    found = dict(commands())
    assert ("eval",) in found and ("datasets", "check") in found
    assert all(isinstance(command, Command | Group) for command in found.values())


@pytest.mark.parametrize(
    ("path", "option"),
    [
        (path, param)
        for path, command in commands()
        for param in command.params
        if param.param_type_name == "option" and not param.is_flag and not param.multiple
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value.opts[0],
)
def test_every_single_option_is_refused_when_it_is_given_twice(path: tuple[str, ...], option: Any, capsys) -> None:
    name = option.opts[0]
    code = main([*path, name, "1", f"{name}=2"])
    assert_refused((code, "", capsys.readouterr().err), f"{name} takes one value", "'1' and '2'")


def test_a_list_in_the_place_of_a_single_value(capsys) -> None:
    assert main(["fit", "--ckpt", "c", "--dataset", "a", "b", "--out", "o"]) == 2
    assert capsys.readouterr().err == "error: --dataset takes one value, and 'a' and 'b' are two; give one.\n"


def test_help_is_given_whatever_else_is_said(capsys) -> None:
    assert main(["fit", "--ckpt", "a", "--ckpt", "b", "--help"]) == 0
    assert "Learn the statistics" in capsys.readouterr().out


def test_options_of_a_group_reach_its_commands(data, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("GMMSEG_ANOMALY_DATA", str(tmp_path))
    assert main(["datasets", "--data-root", str(data), "check", "road_anomaly"]) == 0
    assert "4 of 60 expected images" in capsys.readouterr().out
    both = ["datasets", "--data-root", str(tmp_path), "check", "road_anomaly", "--data-root", str(data)]
    assert_refused((main(both), "", capsys.readouterr().err), "--data-root is given before and after check")
    make = ["datasets", "--data-root", str(data), "make", "synthetic_streets", "--out", str(tmp_path / "drawn")]
    assert_refused((main(make), "", capsys.readouterr().err), "datasets make has no --data-root")
    assert not (tmp_path / "drawn").exists()


@dataclass(frozen=True)
class Drawn:
    """Two fields that are asked for together."""

    color: Annotated[str, Asked("Which color.", "--colour")] = "red"
    times: Annotated[int, Asked("How often.", min=1, max=3)] = 1


def test_fields_of_a_dataclass_are_options_and_arrive_as_one(capsys) -> None:
    seen: list[object] = []
    own = App("Draws.")

    @own.command()
    def draw(shape: str, drawn: Drawn, twice: bool = False) -> None:
        """Draw a shape."""
        seen.append((shape, drawn, twice))

    run = CliRunner().invoke
    assert run(own, ["circle"]).exit_code == run(own, ["square", "--times", "2", "--colour=blue"]).exit_code == 0
    assert seen == [("circle", Drawn(), False), ("square", Drawn("blue", 2), False)]
    assert run(own, ["circle", "--times", "4"]).exit_code == 2
    assert "Draw a shape." in run(own, ["--help"]).output
    assert isinstance(run(own, ["circle", "--times", "1", "--times", "2"]).exception, InputError)


@dataclass(frozen=True)
class Drawing:
    """All that is asked for, another dataclass in its midst, and a field that is not."""

    shape: Annotated[str, Asked("What to draw.", is_argument=True)]
    size: Annotated[int, Asked("How large.")]
    titles: Annotated[Sequence[str], Asked("What to call it.")] = ("one", "two")
    notes: Annotated[Sequence[str] | None, Asked("What to say of it.")] = None
    drawn: Drawn = Drawn()
    border: Annotated[bool, Asked("Leave out the border.", "--no-border", negated=True)] = True
    command: Sequence[str] = ()


def test_a_whole_request_is_asked_for_where_it_is_declared() -> None:
    seen: list[object] = []
    own = App("Draws.")

    @own.command()
    def draw(request: Drawing) -> None:
        """Draw a shape."""
        seen.append(request)

    run = CliRunner().invoke
    assert run(own, ["circle", "--size", "3"]).exit_code == 0
    words = ["--size", "3", "--titles", "a", "b", "--notes", "n", "--times", "2", "--no-border", "--", "circle"]
    assert run(own, words).exit_code == 0
    assert seen == [
        Drawing("circle", 3, ["one", "two"], drawn=Drawn()),
        Drawing("circle", 3, ["a", "b"], ["n"], Drawn("red", 2), border=False),
    ]
    assert run(own, ["circle"]).exit_code == run(own, ["--size", "3"]).exit_code == 2
    shown = run(own, ["--help"]).output
    assert "--no-border" in shown and "command" not in shown.lower().replace("[options]", "")


@dataclass(frozen=True)
class Framed:
    """Fields whose words need a word more than a type."""

    frame: Annotated[str | None, Asked("Frame of which wood.", alone="oak")] = None
    copies: Annotated[
        int | None, Asked("A number, or all.", read=lambda word: None if word == "all" else int(word))
    ] = 0


def test_a_field_says_how_its_word_is_read_and_what_no_word_means() -> None:
    seen: list[object] = []
    own = App("Draws.")

    @own.command()
    def draw(request: Framed) -> None:
        """Draw a shape."""
        seen.append(request)

    for words in ([], ["--frame"], ["--frame", "elm"], ["--copies", "3", "--frame"], ["--copies", "all"]):
        assert CliRunner().invoke(own, words).exit_code == 0
    assert seen == [Framed(), Framed("oak"), Framed("elm"), Framed("oak", 3), Framed(copies=None)]


def test_a_request_is_built_from_flat_names_and_tells_what_differs() -> None:
    assert build(Drawing, dict(shape="circle", size=3)) == Drawing("circle", 3)
    built = build(Drawing, dict(shape="circle", size=3, drawn=Drawn("blue", 3), times=2, border=False))
    assert built == Drawing("circle", 3, drawn=Drawn("blue", 2), border=False)
    assert given_flags(built) == {
        **{"shape": "--shape", "size": "--size"},
        **{"color": "--colour", "times": "--times", "border": "--no-border"},
    }


def test_nothing_heavy_is_imported_before_a_command_runs() -> None:
    code = (
        "import sys, anomaly_eval.cli.main; sys.exit(len({'torch', 'numpy', 'pandas', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("command", ["eval", "grid"])
def test_help_waits_for_nothing_heavy(command: str) -> None:
    code = (
        f"import sys; from anomaly_eval.cli.main import main; main(['{command}', '--help']); "
        "sys.exit(len({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert shown.returncode == 0 and "Usage" in shown.stdout
