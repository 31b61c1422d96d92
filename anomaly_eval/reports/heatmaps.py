"""Heatmaps of chosen images: kept on disk while the images pass by, drawn at the end on a common scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly_eval.errors import InputError
from anomaly_eval.metrics.labels import VOID
from anomaly_eval.reports.heatmap_figure import HeatmapContent, Scale, draw_heatmap
from anomaly_eval.reports.percentiles import percentiles
from anomaly_eval.runtime.file_names import file_names
from anomaly_eval.runtime.output_folder import write_atomically
from anomaly_eval.runtime.temporary_arrays import TemporaryArrays

LIMITS = (1.0, 99.0)


class HeatmapStore(TemporaryArrays):
    """Score maps of the chosen images, in a temporary folder that is deleted at the end.

    Use it as a context manager. Only one image and one score map are in memory at a time.
    """

    def __init__(self, folder: Path) -> None:
        """Make the temporary folder inside `folder`, which exists.

        A 2048 x 1024 image takes 8 MB, and 8 MB more for each method. Raises InputError where the folder
        cannot be written.
        """
        super().__init__(folder, ".heatmaps-", _cannot_keep)
        self._ids: dict[tuple[str, str], list[str]] = {}

    def add(
        self,
        dataset: str,
        method: str,
        sample_id: str,
        image: NDArray[np.uint8],
        label: NDArray[np.uint8],
        score: NDArray[np.float32],
    ) -> None:
        """Keep one score map; the image and label of a sample are kept once for all methods.

        image: uint8 (H, W, 3) RGB. label: uint8 (H, W), 0 inlier, 1 anomaly, 255 void. score: float32 (H, W),
        may hold infinities and NaN. Raises ValueError where the shapes differ or the score map was added
        before, and InputError where the disk is full.
        """
        if image.shape != (*label.shape, 3) or score.shape != label.shape:
            shapes = f"{image.shape}, {label.shape}, {score.shape}"
            raise ValueError(f"expected the shapes (H, W, 3), (H, W), (H, W); got {shapes}")
        self.keep(dataset, method, sample_id, score=score.astype(np.float32, copy=False))
        if (dataset, sample_id) not in self:
            self.keep(dataset, sample_id, image=image, label=label)
        self._ids.setdefault((dataset, method), []).append(sample_id)

    @property
    def count(self) -> int:
        """How many figures there are to draw."""
        return sum(map(len, self._ids.values()))

    def scales(self) -> dict[tuple[str, str], Scale]:
        """Return one scale for each (dataset, method): percentiles over all finite values outside void."""
        return {key: self._scale(*key) for key in self._ids}

    def draw(
        self,
        folder: Path,
        method_names: Mapping[str, str],
        dataset_titles: Mapping[str, str],
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Path]:
        """Write `heatmaps/DATASET/METHOD/ID.png` inside `folder` and return the paths.

        method_names, dataset_titles: what readers see; a name that is missing is shown as it is. progress:
        called after each figure with the number of figures drawn and to draw. Raises InputError where a file
        cannot be written.
        """
        folders = file_names(dataset for dataset, _ in self._ids)
        methods = file_names(method for _, method in self._ids)
        ids = {
            dataset: file_names(one for (owner, _), own in self._ids.items() if owner == dataset for one in own)
            for dataset in folders
        }
        paths: list[Path] = []
        for (dataset, method), scale in self.scales().items():
            target = folder / "heatmaps" / folders[dataset] / methods[method]
            name = method_names.get(method, method)
            try:
                target.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise _cannot_keep(target, error) from error
            for sample_id in self._ids[dataset, method]:
                title = f"{dataset_titles.get(dataset, dataset)}  ·  {name}  ·  {sample_id}"
                figure = draw_heatmap(self._content(dataset, method, sample_id), scale, name, title)
                paths.append(target / f"{ids[dataset][sample_id]}.png")
                write_atomically(paths[-1], figure)
                if progress is not None:
                    progress(len(paths), self.count)
        return paths

    def _content(self, dataset: str, method: str, sample_id: str) -> HeatmapContent:
        """Read back what `add` kept."""
        return HeatmapContent(
            image=self.load(dataset, sample_id, name="image"),
            label=self.load(dataset, sample_id, name="label"),
            score=self.load(dataset, method, sample_id, name="score"),
        )

    def _scale(self, dataset: str, method: str) -> Scale:
        """Return the limits of one method on one dataset, some distance apart even for constant scores."""

        def read() -> Iterator[NDArray[np.float32]]:
            for sample_id in self._ids[dataset, method]:
                known = self.load(dataset, sample_id, name="label") != VOID
                yield self.load(dataset, method, sample_id, name="score")[known]

        low, high = percentiles(read, LIMITS) or (0.0, 1.0)
        # Colours need a range that float32 can tell apart.
        if high - low <= 1e-6 * max(abs(low), abs(high)):
            low, high = low - max(1.0, abs(low)) * 0.5, high + max(1.0, abs(high)) * 0.5
        return Scale(low, high, len(self._ids[dataset, method]))


def choose_evenly(ids: Sequence[str], count: int) -> list[str]:
    """Return `count` of the ids, evenly spaced from the first to the last part; all where there are fewer."""
    count = max(0, min(count, len(ids)))
    return [ids[(2 * index + 1) * len(ids) // (2 * count)] for index in range(count)]


def _cannot_keep(folder: Path, error: OSError) -> InputError:
    """Say in one sentence why heatmaps cannot be kept or written."""
    return InputError(
        f"cannot write heatmaps into {folder}: {error.strerror or error}; make room or leave out --heatmaps."
    )
