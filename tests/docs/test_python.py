"""The Python blocks of the README and of docs/ run, on a small network and drawn images."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import METRICS

from tests.docs.pages import CHECKOUT, PAGES, blocks, name_of

# Pages whose blocks are files of the project have tests of their own.
EXTENDING = CHECKOUT / "docs" / "extending"
SCRIPTS = [page for page in PAGES if blocks(page, "python") and page.parent != EXTENDING]


@pytest.mark.parametrize("page", SCRIPTS, ids=name_of)
def test_blocks_run_one_after_the_other(
    page: Path, tmp_path: Path, data: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(checkpoint, tmp_path / "your.pth")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    known = {"images": [(str(i), rng.normal(size=(8, 9)), rng.integers(0, 2, (8, 9))) for i in range(3)]}
    for block in blocks(page, "python"):
        if "custom_imports" in block:
            _load_config(tmp_path / "config.py", block)
        else:
            exec(block.replace('"/data', f'"{data}'), known)
    for drawn in tmp_path.glob("*.pdf"):
        assert drawn.stat().st_size > 1000


def _load_config(path: Path, block: str) -> None:
    """Load a config as mmengine does, its imports and bases too, and build the metric that it names."""
    path.write_text(block, encoding="utf-8")
    config = Config.fromfile(path)
    if "val_evaluator" in config:
        METRICS.build(config.val_evaluator)
    else:
        assert config.model.backbone and config.model.decode_head.type == "GMMSegHead"
