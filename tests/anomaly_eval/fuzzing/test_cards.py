"""Whatever a card's file holds, it is read or refused in one sentence."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.datasets.samples import scan_samples
from anomaly_eval.runtime.shipped import shipped_folder
from tests.anomaly_eval.fuzzing.readers import ODD_TEXT, damaged, examples, only_input_errors, rearranged

SHIPPED = [path.read_bytes() for path in sorted(shipped_folder("datasets").glob("*.yaml"))]
SMALL = [content for content in SHIPPED if len(content) < 2000]
TREES = [yaml.safe_load(content) for content in SMALL]

PIECES = st.sampled_from(
    [
        "{folder}",
        "{variant}",
        "{id}",
        "{id:a*}",
        "{number}",
        "*",
        ".*",
        "/",
        ".",
        "..",
        "a",
        "images",
        "{",
        "}",
        "\n",
        "[",
        "\\",
    ]
)
TEMPLATES = st.lists(PIECES, max_size=12).map("".join)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with long names, on which bad patterns take long."""
    folder = tmp_path_factory.mktemp("root")
    for name in ("a" * 250, "a" * 120 + "." + "a" * 120, "images"):
        (folder / "images" / name).mkdir(parents=True)
        (folder / "images" / name / ("a" * 240 + ".png")).touch()
    return folder


def read(content: bytes, root: Path) -> None:
    """Load a card and look for its files."""
    with tempfile.TemporaryDirectory() as folder, only_input_errors():
        path = Path(folder) / "card.yaml"
        path.write_bytes(content)
        card, variant = load_card(str(path))
        for layout in card.layouts:
            card.label_table(layout)
        scan_samples(card, variant, root)


@given(content=damaged(SMALL))
@examples(150)
def test_damaged_cards(content: bytes, root: Path) -> None:
    read(content, root)


@given(tree=st.sampled_from(TREES).flatmap(rearranged))
@examples(100)
def test_other_values_in_cards(tree: Any, root: Path) -> None:
    try:
        content = yaml.safe_dump(tree, allow_unicode=True).encode()
    except (UnicodeEncodeError, ValueError):
        return
    read(content, root)


@given(images=TEMPLATES, masks=TEMPLATES, folders=st.lists(TEMPLATES | ODD_TEXT, max_size=2))
@examples(80)
def test_templates(images: str, masks: str, folders: list[str], root: Path) -> None:
    card = TREES[0] | {"folders": folders, "layouts": [{"name": "flat", "images": images, "masks": masks}]}
    read(yaml.safe_dump(card).encode(), root)


TOKENS = "&a *a << : - [ ] { } , ? | > ' \" # ! !!int !!set !!binary 1 0x1f 1:59 2024-01-01 ~ a = %"
WORDS = [*TOKENS.split(), "\n", "\n  ", " "]


@given(text=st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join))
@examples(200)
def test_yaml_of_all_kinds(text: str, root: Path) -> None:
    read(text.encode(), root)
