"""Kills an evaluation at random moments, again and again, and compares what it ends with to a run left alone.

    python benchmarks/interruptions.py --ckpt your.pth --kills 50

draws street scenes, evaluates a checkpoint of the 19 Cityscapes classes on them once without interruption, and then
starts the same command again and again, each time in a process that gets SIGKILL after a random time, until it has been
killed so often. Every file of the results must be equal to the byte, apart from the times and the command in
results.json, and every record on disk must outlive the next kill.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from anomaly_eval.cli.main import main

_MEASURES = ["--bootstrap", "200", "--seed", "1", "--per-image", "--components", "obstacle"]
_KILLS_A_RUN, _MOST_IMAGES, _SECONDS_MORE = 8, 8, 1.0
"""How often a run is killed before it may end; after how many more images at the latest, and how much later."""
_PICTURES = ["--save-scores", "--heatmaps", "2", "--figures"]


def started(words: list[str]) -> int:
    """Start a copy of this process, which has imported all that takes long, that runs the command; return its id."""
    pid = os.fork()
    if pid:
        return pid
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    code = 70
    try:
        code = main(words)
    finally:
        os._exit(code)


def ended(pid: int) -> int:
    """Wait for a process; return its exit code, or minus its signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def content(out: Path) -> dict[str, bytes]:
    """Return all files of a result folder, without what differs from run to run by its nature."""
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    results = json.loads(files["results.json"])
    del results["timing"], results["provenance"]["started"], results["provenance"]["command"]
    # A PDF notes when it was made.
    same = {name: data for name, data in files.items() if not name.endswith(".pdf")}
    return same | {"results.json": json.dumps(results, sort_keys=True).encode()}


def journal(out: Path) -> Path:
    return out.parent / f".{out.name}.journal"


def records(out: Path) -> dict[str, int]:
    """Return the records of an interrupted run by name, with the number of the file that holds each."""
    folder = journal(out) / "records"
    return {path.relative_to(folder).as_posix(): path.stat().st_ino for path in folder.glob("*/*.record")}


def fitted(out: Path) -> str:
    """Say how far the fit of an interrupted run is."""
    states = {"statistics.safetensors": "fitted", "sums.record": "amid the fit, sums kept"}
    there = (text for name, text in states.items() if (journal(out) / name).is_file())
    return next(there, "nothing kept yet")


def killed_again_and_again(words: list[str], out: Path, seconds: float, kills: int, draw: random.Random) -> int:
    """Kill runs for one folder until one is faster, or they were killed so often; return how often they were.

    Each is killed a moment after it has done a random number of images more, or after these seconds.
    """
    for number in range(kills):
        before = records(out)
        pid = started(words)
        deadline, images = time.monotonic() + seconds, len(before) + draw.randint(0, _MOST_IMAGES)
        while len(records(out)) < images and time.monotonic() < deadline and not out.exists():
            time.sleep(0.01)
        time.sleep(draw.uniform(0, _SECONDS_MORE))
        os.kill(pid, signal.SIGKILL)
        code = ended(pid)
        after = records(out)
        if code >= 0:
            return number
        lost = [name for name, file in before.items() if after.get(name, file) != file]
        assert not lost and (before.keys() <= after.keys() or out.exists()), f"records were lost: {lost}"
        at = "published" if out.exists() else f"{len(after)} images done" if after else fitted(out)
        print(f"  killed: {at}", flush=True)
        if out.exists():
            return number + 1
    return kills


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--ckpt", required=True)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--images", type=int, default=24, help="With anomalies; half as many have classes.")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def benchmark(given: argparse.Namespace, folder: Path) -> None:
    data, draw = folder / "data", random.Random(given.seed)
    counts = ["--train", str(given.images), "--val", str(given.images // 2), "--test", str(given.images)]
    assert main(["datasets", "make", "synthetic_streets", "--out", str(data), *counts]) == 0
    sets = ["--dataset", "synthetic_streets", "synthetic_streets_classes:val"]
    sets += ["--fit-dataset", "synthetic_streets_classes:train", "--data-root", str(data)]

    def words(out: Path) -> list[str]:
        return ["eval", "--ckpt", given.ckpt, *sets, "--device", "cpu", "--out", str(out), *_MEASURES, *_PICTURES]

    import anomaly_eval.evaluation.run
    import anomaly_eval.segmenters.mmseg  # noqa: F401

    start = time.monotonic()
    assert ended(started(words(folder / "whole"))) == 0
    seconds = time.monotonic() - start
    whole = content(folder / "whole")
    print(f"uninterrupted: {seconds:.1f} s, {len(whole)} files", flush=True)
    done = runs = 0
    while done < given.kills:
        out = folder / f"run{runs}"
        kills = min(given.kills - done, _KILLS_A_RUN)
        done += killed_again_and_again(words(out), out, seconds, kills, draw)
        code = ended(started(words(out)))
        assert code == 0 or out.exists(), f"the last run for {out.name} ended with {code}"
        differing = [name for name in whole.keys() | content(out).keys() if whole.get(name) != content(out).get(name)]
        left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
        print(
            f"{done} kills, {runs + 1} runs ended: files that differ: {differing or 'none'}, left: {left or 'nothing'}"
        )
        if differing or left:
            sys.exit(1)
        shutil.rmtree(out)
        runs += 1


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        benchmark(parsed(), Path(temporary))
