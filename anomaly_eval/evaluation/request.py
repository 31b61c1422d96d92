"""All that one run of `gmmseg-anomaly eval` depends on; importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.measure_options import DEFAULT_MEASURES, Measures
from anomaly_eval.runtime.choices import Precision, ProtocolChoice
from anomaly_eval.runtime.lone_values import TakesLoneValues
from anomaly_eval.runtime.option_fields import DATA_ROOT, JOURNAL, LAUNCHER, Asked, LauncherName
from anomaly_eval.segmenters.running import AS_USUAL, CHECKPOINTS_OR_MAPS, CONFIGS, MODEL, NONE, Running

if TYPE_CHECKING:
    from anomaly_eval.score_maps.disk import MapsRequest
    from anomaly_eval.segmenters.running import NetworkRequest


EnsembleName = Literal["mean"]


def _heatmap_count(word: str) -> int | None:
    if word == "all":
        return None
    if not word.isdecimal():
        raise InputError(f"--heatmaps {word!r} is not understood; give a number or all.")
    return int(word)


@dataclass(frozen=True)
class EvaluationRequest(TakesLoneValues):
    """All that one evaluation depends on; options of the command line and of `anomaly_eval.evaluate`, too."""

    datasets: Annotated[
        Sequence[str],
        Asked("One or more datasets: names, NAME:VARIANT, or card files (.yaml).", "--dataset", names="files"),
    ]
    checkpoints: Annotated[Sequence[Path], CHECKPOINTS_OR_MAPS] = ()
    """None where there are `score_maps` instead, or a `model` or an `instance` that needs none."""
    model: Annotated[str | None, MODEL] = None
    instance: Any = None
    """A network that was handed over from Python, in their place."""
    score_maps: Annotated[
        Sequence[Path],
        Asked(
            "Instead: folders of finished score maps, as --save-scores writes them or one file for each image; "
            "FOLDER:KEY takes one array of .npz or HDF5 files."
        ),
    ] = ()
    names: Annotated[
        Sequence[str],
        Asked(
            "What tables call each of several networks, or the method of each folder of --score-maps. Default: their "
            "files, or as saved."
        ),
    ] = ()
    out: Annotated[Path, Asked("Folder for the results.")] = Path("out")
    data_root: Annotated[Path | None, DATA_ROOT] = None
    config: Annotated[Sequence[str], CONFIGS] = ()
    scores: Annotated[Sequence[str] | None, Asked("Scores. Default: all usual ones that the network allows.")] = None
    fit_dataset: Annotated[
        str | None, Asked("Fit scores that learn on this closed-set dataset first.", names="files")
    ] = None
    statistics: Annotated[
        Sequence[Path],
        Asked("Statistics written by `gmmseg-anomaly fit`: a file for each network, or none.", "--stats"),
    ] = ()
    score_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of scores by the names that `anomaly_eval.scores.score_options` gives them, such as `sml_without`."""
    protocol: Annotated[
        ProtocolChoice | None,
        Asked("Test settings for closed-set datasets: of the dataset's card, or the network's own. Default: card."),
    ] = None
    running: Running = AS_USUAL
    tta: Annotated[
        Sequence[str],
        Asked("Average over views of each image: flip (mirrored), 0.75x, 1.25x; the image as it is is always one."),
    ] = ()
    ensemble: Annotated[
        EnsembleName | None,
        Asked("Also evaluate the mean of all networks: of their probabilities, and of their scores.", alone="mean"),
    ] = None
    save_scores: Annotated[
        Precision | None,
        Asked("Also write all score maps as TIFF: float32, without loss, or rounded to float16.", alone="float32"),
    ] = None
    heatmaps: Annotated[
        int | None, Asked("How many images of each dataset get heatmaps: a number, or all.", read=_heatmap_count)
    ] = 0
    """None is all."""
    figures: Annotated[bool, Asked("Also draw curves and histograms, as PDF and PNG.")] = False
    page: Annotated[bool, Asked("Also write index.html: tables, curves and all images, to browse.")] = False
    measures: Measures = DEFAULT_MEASURES
    with_published: Annotated[bool, Asked("Add the published rows to the tables.")] = False
    journal: Annotated[bool, JOURNAL] = True
    """Whether finished images are kept until the end, so that an interrupted run goes on from them."""
    launcher: Annotated[LauncherName, LAUNCHER] = "none"
    overwrite: Annotated[bool, Asked("Replace earlier results in --out, and an interrupted run of others.")] = False
    command: Sequence[str] = ()
    among_several: bool = False
    """Whether other networks are evaluated, too: a score that this one does not provide may be one of theirs."""

    @property
    def network(self) -> NetworkRequest | None:
        """The network to evaluate; None where there are score maps instead. Several are asked for by `of_each`."""
        config = next(iter(self.config), None)
        if self.instance is not None:
            return self.running.instance(self.instance, config)
        if not self.checkpoints and self.model is None:
            return None
        return self.running.network(next(iter(self.checkpoints), None), config, self.model)

    def of_each(self) -> dict[str, EvaluationRequest]:
        """Return a request for each of several networks, by the names that tables call them.

        Raises InputError where two have one name, and for a list of options without one for each.
        """
        from anomaly_eval.reports.names import network_names

        if self.model is not None:
            raise InputError(
                "--model is one network, with one --ckpt at most; give several as --ckpt FILE.py:FUNCTION ...."
            )
        count = len(self.checkpoints)
        for name, values in {"--config": self.config, "--stats": self.statistics}.items():
            if values and len(values) != count:
                raise InputError(f"{name} gives {len(values)} values for {count} networks; give one for each --ckpt.")
        names = network_names(self.checkpoints, self.names)
        return {
            name: replace(
                self,
                checkpoints=self.checkpoints[place : place + 1],
                config=self.config[place : place + 1],
                statistics=self.statistics[place : place + 1],
                names=(),
            )
            for place, name in enumerate(names)
        }

    @property
    def maps(self) -> MapsRequest | None:
        """Finished score maps to evaluate in the place of a network's."""
        from anomaly_eval.score_maps.disk import MapsRequest

        return MapsRequest(self.score_maps, self.names) if self.score_maps else None

    @property
    def chosen_options(self) -> dict[str, Any]:
        """The options of scores that have a value."""
        return {name: value for name, value in self.score_options.items() if value not in (None, (), [])}

    @property
    def given_statistics(self) -> Path | None:
        """The file of --stats."""
        found = next(iter(self.statistics), None)
        return None if found == Path(NONE) else found

    @property
    def shipped_statistics(self) -> Path | None:
        """The statistics that ship with the network, unless others are given."""
        if self.network is None or self.given_statistics is not None or self.fit_dataset is not None:
            return None
        return self.network.statistics
