"""Who may import whom: the contracts in pyproject.toml hold, and would not hold whatever the code said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of `pyproject.toml` against the packages in a folder."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    # Without the colours and the width of whatever terminal the tests run in.
    environment = os.environ | {"PYTHONPATH": str(folder), "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(
        [*command, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def copied(folder: Path) -> Path:
    """Copy the packages and their contracts into a folder, and return the copy of `anomaly_eval`."""
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for package in ("gmmseg", "anomaly_eval"):
        for path in (ROOT / package).rglob("*.py"):
            copy = folder / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return folder / "anomaly_eval"


def test_the_contracts_are_kept() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 kept, 0 broken" in done.stdout


def test_a_forbidden_import_is_found(tmp_path: Path) -> None:
    with (copied(tmp_path) / "metrics" / "rates.py").open("a") as file:
        file.write("\n\ndef late() -> None:\n    import anomaly_eval.segmenters.mmseg\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "anomaly_eval.metrics is not allowed to import anomaly_eval.segmenters" in done.stdout


def test_a_module_outside_of_the_rooms_is_found(tmp_path: Path) -> None:
    (copied(tmp_path) / "loose.py").write_text("")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "- anomaly_eval.loose" in done.stdout
