"""Loading the network that a user gave, of whichever kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anomaly_eval.errors import InputError
from anomaly_eval.runtime.choices import DeviceName
from anomaly_eval.segmenters.given import Given, chosen_classes
from anomaly_eval.segmenters.zoo import checkpoint_file

if TYPE_CHECKING:
    from anomaly_eval.segmenters.input_size import InputSize
    from anomaly_eval.segmenters.network import Network
    from anomaly_eval.segmenters.protocol import NetworkSegmenter


def load_segmenter(
    given: Given | Path,
    config: str | None = None,
    *,
    device: DeviceName = "auto",
    input_size: InputSize | None = None,
    window_batch: int = 4,
    known_classes: Sequence[str] = (),
    imports: Sequence[str] = (),
) -> NetworkSegmenter:
    """Load the network that a user gave, of whichever kind; an `input_size` of None is its own.

    known_classes: which outputs are classes, see `chosen_classes`; none is all of them. imports: modules that register
    parts of the network, which run. Raises InputError where it cannot be used, for what is given and its kind does not
    take, for modules that fail, and where CUDA is asked for but not there.
    """
    # Late, as it takes a second.
    from anomaly_eval.segmenters.imports import import_modules
    from anomaly_eval.segmenters.protocol import NetworkSegmenter

    if isinstance(given, Path):
        given = Given(given, config)
    if input_size is not None:
        given = replace(given, size=input_size.exact)
    imported = import_modules(imports)
    network = _load(given, device)
    if device == "cuda" and network.device.type != "cuda":
        raise InputError(
            f"--device cuda: {given.path} runs on the CPU alone here, as what runs it sees no CUDA device; install its "
            f"build for GPUs, such as onnxruntime-gpu, or use --device cpu."
        )
    facts = network.facts
    if facts.n_classes < 2:
        raise InputError(
            f"{given.path} has {facts.n_classes} class, whose probability is always 1, so that nothing could be "
            f"scored; give a network of two classes or more."
        )
    known = chosen_classes(known_classes, facts.classes, facts.class_names is not None) if known_classes else None
    return NetworkSegmenter(
        network, input_size=input_size, window_batch=window_batch, known_classes=known, imports=imported
    )


def _load(given: Given, device: DeviceName) -> Network:
    from anomaly_eval.segmenters.device import choose_device
    from anomaly_eval.segmenters.kinds import kind_of

    if given.instance is not None:
        from anomaly_eval.segmenters.python.build import TITLE, from_python, own_device

        given.refuse_others(frozenset({"mean", "std", "colours"}), TITLE)
        lies_on = own_device(given.instance) if device == "auto" else None
        return from_python(given.instance, given, lies_on or choose_device(device))
    kind = kind_of(given.path)
    if kind.asked_last:
        # Nobody knows it: perhaps the name of a shipped network is misspelt.
        given = replace(given, path=checkpoint_file(given.path))
    given.refuse_others(kind.takes, kind.title)
    return kind.load(given, choose_device(device))
