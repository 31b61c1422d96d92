"""How long several networks take in one run of `eval` beside a run for each, as ratios; all results must be equal.

    python benchmarks/together.py --data-root /data
    python benchmarks/together.py --ckpt a.pth b.pth c.pth --dataset road_anomaly --data-root /data --rounds 5

Each round starts the commands as a user does, one after the other. Wall time, processor time and peak memory are those
of the processes; the ratio is that of the one run to the sum of the others in the same round. Every table and curve
must be equal to the byte.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from anomaly_eval.reports.names import network_names
from anomaly_eval.runtime.file_names import file_names

SHIPPED = ["softmax_efficientnet-lite0_cityscapes", "gmmseg_efficientnet-lite0_cityscapes"]


@dataclass(frozen=True)
class Cost:
    """What a process took. wall, processor: seconds. memory: peak, in MB."""

    wall: float
    processor: float
    memory: float


def timed(words: list[str]) -> Cost:
    """Run the command and return what it took; ends this program where it fails."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "anomaly_eval", *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"failed: {' '.join(words)}")
    return Cost(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)


def differing(alone: Path, together: Path) -> list[str]:
    """Return the files that are not equal to the byte; the record holds times and the command."""
    names = sorted(path.relative_to(alone) for path in alone.rglob("*") if path.is_file())
    compared = [name for name in names if name.name != "results.json"]
    return [str(name) for name in compared if (alone / name).read_bytes() != (together / name).read_bytes()]


def main() -> None:
    """Run the rounds and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt", nargs="+", default=SHIPPED)
    parser.add_argument("--dataset", nargs="+", default=["smiyc_road_anomaly21"])
    parser.add_argument("--data-root", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="further options of eval")
    options = parser.parse_args()
    names = network_names([Path(one) for one in options.ckpt])
    shared = ["--dataset", *options.dataset, "--data-root", options.data_root, *options.more]
    walls, processors = [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in range(options.rounds):
            shutil.rmtree(folder)
            alone = [
                timed(["eval", "--ckpt", one, *shared, "--out", str(folder / f"alone-{place}")])
                for place, one in enumerate(options.ckpt)
            ]
            both = timed(["eval", "--ckpt", *options.ckpt, *shared, "--out", str(folder / "together")])
            for place, file in enumerate(file_names(names).values()):
                if found := differing(folder / f"alone-{place}", folder / "together" / file):
                    raise SystemExit(f"not equal: {', '.join(found)} of {names[place]}")
            walls.append(both.wall / sum(one.wall for one in alone))
            processors.append(both.processor / sum(one.processor for one in alone))
            parts = " + ".join(f"{one.wall:.1f}" for one in alone)
            print(
                f"round {number + 1}: {both.wall:.1f} s instead of {parts} s; processor {both.processor:.1f} s instead "
                f"of {sum(one.processor for one in alone):.1f} s; peak memory {both.memory:,.0f} MB instead of "
                f"{max(one.memory for one in alone):,.0f} MB"
            )
    print(
        f"median ratio: {statistics.median(walls):.2f} of the wall time, {statistics.median(processors):.2f} of the "
        f"processor time; all results equal to the byte"
    )


if __name__ == "__main__":
    main()
