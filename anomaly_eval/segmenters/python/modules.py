"""An `nn.Module` of one's own as a network: its input is normalised for it, and its output read as the field does."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from anomaly_eval.errors import InputError, nearest
from anomaly_eval.runtime.machine import is_out_of_memory
from anomaly_eval.segmenters.linear_classifier import LinearClassifier, linear_classifier
from anomaly_eval.segmenters.network import Network, NetworkFacts, first_line
from anomaly_eval.segmenters.python.described import Description
from anomaly_eval.segmenters.python.last_layer import convolutions_heard, last_layer
from anomaly_eval.segmenters.python.outputs import OutputReader, are_probabilities
from gmmseg.safetensors_files import tensors_sha256

FIRST_SIZES = ((64, 64), (512, 512), (1024, 512))
"""(width, height) of the inputs that are tried before the first image where nobody said a size."""
_MOST_NAMES = 20
_CLASSIFIER = "classifier"
"""The field of `Prediction` that is no map."""


@dataclass(frozen=True)
class Source:
    """Where a network of one's own came from."""

    name: str
    """What results call it, and sentences."""
    config: str
    """What results say of where it was built."""
    files_sha256: str
    """Over the code that made it, as far as it can be seen; empty for a function from Python."""
    notes: tuple[str, ...] = ()
    sha256: str = ""
    """Of the file that holds the weights, where there is one that holds nothing else."""


class ModuleNetwork(Network):
    """A module in evaluation mode that takes (n, 3, h, w) float32."""

    def __init__(
        self,
        module: nn.Module,
        facts: NetworkFacts,
        device: torch.device,
        reader: OutputReader,
        last: str | None,
        classifier: LinearClassifier | None,
    ) -> None:
        super().__init__(facts, device)
        self.module, self._reader = module, reader
        self._last = None if last is None else module.get_submodule(last)
        self.linear_classifier = classifier
        self._last_name, self._dtype = last, _dtype_of(module)

    def remedy(self, error: Exception) -> str:
        """Say what a user can do about an error of the module."""
        return f"correct the module, or {super().remedy(error)}"

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor]:
        """Return the wanted maps of a batch (n, 3, h, w)."""
        heard: list[object] = []
        with contextlib.ExitStack() as stack:
            stack.enter_context(printing_aside())
            if self._last is not None and "features" in wanted:
                # Whatever its second argument is, the first is what it classifies.
                hook = self._last.register_forward_pre_hook(lambda layer, arguments: heard.extend(arguments[:1]))
                stack.enter_context(hook)
            maps = self._reader.read(self.module(inputs.to(self._dtype)), len(inputs))
        if heard:
            maps["features"] = self._features(heard[-1], len(inputs))
        return with_facts(maps, wanted, self.facts, self._reader.name)

    def _features(self, values: object, count: int) -> Tensor:
        if not isinstance(values, Tensor) or values.dim() != 4 or len(values) != count:
            what = "x".join(map(str, values.shape)) if isinstance(values, Tensor) else f"a {type(values).__name__}"
            raise InputError(
                f"the input of {self._last_name} in {self._reader.name} is {what}, and features are (images, channels, "
                f"rows, columns); name another module as features."
            )
        return values


def with_facts(maps: dict[str, Tensor], wanted: frozenset[str], facts: NetworkFacts, name: str) -> dict[str, Tensor]:
    """Return the wanted maps of an output, under the names that the first output had.

    Raises InputError where it is no longer what it was then.
    """
    kind = facts.class_output
    values = maps.pop("logits" if "logits" in maps else kind, None)
    if values is None or values.shape[1] != facts.n_classes:
        now = "nothing of the kind" if values is None else str(values.shape[1])
        raise InputError(
            f"{name} gave {facts.n_classes} classes at first, and gives {now} now; classes are the second dimension of "
            f"what it gives, and stay as many."
        )
    if kind == "probabilities" and values.detach().amin() < 0:
        raise InputError(f"{name} gave probabilities at first, and gives negative values now; say output: logits.")
    missing = wanted & facts.provides - maps.keys() - {kind, _CLASSIFIER}
    if missing:
        raise InputError(f"{name} gave {min(missing)} at first, and gives none now; make it give the same.")
    return {kind: values} | {
        field: found for field, found in maps.items() if field in wanted and field in facts.provides
    }


def module_network(
    module: nn.Module,
    source: Source,
    description: Description,
    device: torch.device,
    size: tuple[int, int] | None,
) -> ModuleNetwork:
    """Put a module into evaluation mode, and find out what it gives by running it once on noise.

    size: (width, height) at which images will enter it, where that is known. Raises InputError where it cannot be run,
    and for an output that means nothing.
    """
    module = _placed(module, device, source.name)
    reader = OutputReader(source.name)
    asked = description.features
    if asked is not None:
        _check_module(module, asked, source.name)
    with printing_aside(), torch.no_grad(), convolutions_heard(module) as heard:
        maps = reader.read(_first_output(module, source, description, device, size), 1)
    facts = facts_of(maps, source, description)
    given = "features" in maps
    proven = None if given else last_layer(heard, maps[next(iter(maps))])
    last = asked if asked is not None else proven
    classifier = None
    if last is not None:
        found = "" if asked is not None else ", the convolution that gives the output"
        note = f"features: input of {last or 'the module'}{found}"
        facts = replace(facts, provides=facts.provides | {"features"}, notes=(*facts.notes, note))
        # A softmax is not linear, whatever its output is said to be.
        if last == proven and not are_probabilities(maps[next(iter(maps))]):
            classifier = linear_classifier(module.get_submodule(last))
    if classifier is not None:
        facts = replace(facts, provides=facts.provides | {_CLASSIFIER})
    facts = replace(facts, sha256=source.sha256 or weights_sha256(module) or source.files_sha256)
    return ModuleNetwork(module, facts, device, reader, last, classifier)


def facts_of(
    maps: Mapping[str, Tensor], source: Source, description: Description, takes: str | None = None
) -> NetworkFacts:
    """Return what the first maps (1, channels, rows, columns) and the description say; `takes` is what enters."""
    given = next(iter(maps))
    values = maps[given]
    n_classes, names = values.shape[1], description.classes
    if names is not None and len(names) != n_classes:
        raise InputError(
            f"{source.name} names {len(names)} classes, but gives {n_classes} outputs; name all of them, and leave out "
            f"those that are no class with --known-classes."
        )
    recognised = given == "logits" and are_probabilities(values)
    kind, how = given, ""
    if given == "logits":
        kind = description.output or ("probabilities" if recognised else "logits")
        how = "" if description.output else ", as they sum to 1" if recognised else ", as they do not sum to 1"
    if kind == "probabilities" and not are_probabilities(values):
        raise InputError(
            f"{source.name} says that it gives probabilities, but they are negative or do not sum to 1 over the "
            f"classes; say output: logits, or correct it."
        )
    settings = json.dumps(asdict(description), sort_keys=True)
    return NetworkFacts(
        name=source.name,
        sha256="",
        n_classes=n_classes,
        class_names=None if names is None else tuple(names),
        config=source.config,
        config_sha256=hashlib.sha256(f"{source.files_sha256} {kind} {settings}".encode()).hexdigest(),
        provides=frozenset({kind, *maps} - ({given} - {kind})),
        align_corners=bool(description.align_corners),
        normalisation=description.normalisation,
        input_size=replace(description.size, of_network=True) if description.input_size else description.size,
        notes=(*source.notes, f"input: {takes or description.input_text}", f"output: {kind}{how}"),
    )


def weights_sha256(module: nn.Module) -> str:
    """Return the hash over all weights and buffers; empty for a module without any, which nothing tells from others."""
    state = {name: _dense(value) for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    return tensors_sha256(state) if state else ""


def first_image(size: tuple[int, int]) -> np.ndarray:
    """Return noise as an RGB image of (width, height), the same each time."""
    return np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


def first_sizes(description: Description, size: tuple[int, int] | None) -> tuple[tuple[int, int], ...]:
    """Return (width, height) of the inputs to try, one after the other."""
    known = size or description.size.exact
    return FIRST_SIZES if known is None else (known,)


def cannot_process(name: str, sizes: tuple[tuple[int, int], ...], error: Exception) -> InputError:
    """Return the refusal of a network that fails on all first inputs."""
    tried = " nor ".join(f"{width}x{height}" for width, height in sizes)
    one = "cannot process" if len(sizes) == 1 else "can process neither"
    memory = "too little memory" if is_out_of_memory(error) else first_line(error)
    return InputError(
        f"{name} {one} an input of {tried} ({type(error).__name__}: {memory}); name the size that it takes "
        f"with --resize WIDTHxHEIGHT, or correct it."
    )


def printing_aside() -> contextlib.AbstractContextManager[object]:
    """Let what others print go to standard error: standard output is for results."""
    return contextlib.redirect_stdout(sys.stderr)


def _first_output(
    module: nn.Module,
    source: Source,
    description: Description,
    device: torch.device,
    size: tuple[int, int] | None,
) -> object:
    sizes = first_sizes(description, size)
    for one in sizes:
        inputs = description.normalisation.apply(first_image(one), device)
        try:
            return module(inputs.to(_dtype_of(module)))
        except Exception as error:  # networks fail in their own ways
            if one == sizes[-1] or is_out_of_memory(error):
                raise cannot_process(source.name, sizes, error) from error
    raise AssertionError("there is always a size")


def _placed(module: nn.Module, device: torch.device, name: str) -> nn.Module:
    """Put a module into evaluation mode, and where it is to run."""
    try:
        return module.eval().to(device)
    except Exception as error:  # of weights without values, and of kinds that lie on one device alone
        raise InputError(
            f"{name} cannot be put on {device} ({first_line(error).rstrip('.')}); build it there, or choose another "
            f"--device."
        ) from error


def _dtype_of(module: nn.Module) -> torch.dtype:
    """Return the type of its weights, which its input has too."""
    # Those of lazy layers are not there yet.
    weights = (one for one in module.parameters() if one.is_floating_point())
    return next((one.dtype for one in weights), torch.float32)


def _check_module(module: nn.Module, asked: str, name: str) -> None:
    known = [one for one, _ in module.named_modules() if one]
    if asked not in known:
        raise InputError(
            f"{name} has no module {asked!r} whose input could be the features; {nearest(asked, known[-_MOST_NAMES:])}."
        )


def _dense(value: Tensor) -> Tensor:
    """Return the values of a tensor on the CPU, laid out one after the other."""
    plain = value.detach().cpu()
    plain = plain.dequantize() if plain.is_quantized else plain
    return plain if plain.layout == torch.strided else plain.to_dense()
