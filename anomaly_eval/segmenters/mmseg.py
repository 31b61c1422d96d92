"""Any network of mmsegmentation as a segmenter."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import gmmseg.heads  # isort: skip  (registers them, and lets mmsegmentation import without compiled ops)
import mmseg.models
import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import CascadeEncoderDecoder, EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor, nn

import gmmseg.efficientnet_lite
import gmmseg.lean_head  # noqa: F401
from anomaly_eval.datasets.test_settings import TestProtocol
from anomaly_eval.errors import InputError
from anomaly_eval.results.records import FitRecord, ModelRecord
from anomaly_eval.runtime.machine import is_out_of_memory
from anomaly_eval.segmenters.base import Prediction
from anomaly_eval.segmenters.coarse_maps import CoarseMaps
from anomaly_eval.segmenters.configs import ModelConfig, find_config
from anomaly_eval.segmenters.growth import TooLargeError, no_larger_than
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.own_windows import windows_of
from anomaly_eval.segmenters.windows import WindowFeatureMean, WindowMean, window_corners
from gmmseg.checkpoints import Checkpoint, load_checkpoint
from gmmseg.classifier import GMMClassifier
from gmmseg.denormals import flushed_denormals
from gmmseg.mixtures import ClassMixtures

FIT = "gmmseg_fit"
"""Where a checkpoint notes what mixtures were fitted on after training."""
DeviceName = Literal["auto", "cpu", "cuda"]


_Maps = dict[str, CoarseMaps]
"""What the network said of one input, by the fields of `Prediction`."""


class MmsegSegmenter:
    """Runs an `EncoderDecoder` of mmsegmentation with its own preprocessing and test settings.

    Logits and features stay on the network's own coarse grid; in sliding-window mode logits are averaged at the size
    of the input, as mmsegmentation does.
    """

    def __init__(
        self,
        model: EncoderDecoder,
        checkpoint: Checkpoint,
        config: ModelConfig,
        *,
        device: torch.device,
        input_size: InputSize,
        window_batch: int = 4,
    ) -> None:
        self.model = model.eval().to(device)
        if device.type == "cuda":
            self.model = self.model.to(memory_format=torch.channels_last)
        self.checkpoint, self.config = checkpoint, config
        self.device, self.input_size, self.window_batch = device, input_size, window_batch
        self.classes = _class_names(checkpoint, model)
        self.fits = _fits(checkpoint)
        self._windows = windows_of(model.test_cfg, config.source)
        # mmsegmentation resizes logits to the network's input first, and those to the image.
        self._resizes_twice = False
        self._head = model.decode_head[-1] if isinstance(model.decode_head, nn.ModuleList) else model.decode_head
        self._gives_coarse_logits = _is_plain(model, self._head)
        self.provides = frozenset({"logits"})
        self.classifier: nn.Module | None = getattr(self._head, "conv_seg", None)
        if self.classifier is not None:
            self.provides |= {"features"}
        # Then one map serves both, and is resized once.
        self._logits_are_densities = False
        if isinstance(self.classifier, GMMClassifier):
            self._logits_are_densities = self._gives_coarse_logits and self.classifier.gives_densities
            self.provides |= {"log_density", "log_density_logsumexp"}

    def __call__(self, image: NDArray[np.uint8]) -> Prediction:
        """Segment an RGB image (height, width, 3), uint8; maps stand for the image at its own size."""
        height, width = image.shape[:2]
        resized = self.input_size.apply(image)
        with torch.inference_mode(), flushed_denormals():
            try:
                maps = self._infer(self._preprocess(resized), resized.shape[:2])
            except Exception as error:  # modules of the zoo fail in their own ways on settings that make no sense
                size = f"{resized.shape[1]}x{resized.shape[0]}"
                if is_out_of_memory(error):
                    raise InputError(
                        f"there is not enough memory for a network input of {size}; choose "
                        f"a smaller one with --resize, or another --device."
                    ) from error
                raise InputError(
                    f"the network cannot process an input of {size} ({_first_line(error)}); use "
                    f"--resize, another --device, or an mmcv with compiled operations where one is missing."
                ) from error
        scale = (height / resized.shape[0], width / resized.shape[1])

        def for_image(maps: CoarseMaps) -> CoarseMaps:
            extent = (maps.extent[0] * scale[0], maps.extent[1] * scale[1])
            return replace(maps, size=(height, width), extent=extent)

        if self._resizes_twice and scale != (1.0, 1.0):
            at_input = maps["logits"].resized()
            maps["logits"] = CoarseMaps.covering(at_input, maps["logits"].size, maps["logits"].align_corners)
        found = {name: for_image(values) for name, values in maps.items()}
        if self._logits_are_densities and "log_density" in self.provides:
            found["log_density"] = found["logits"]
        return Prediction(**found)

    def with_outputs(self, fields: Collection[str]) -> MmsegSegmenter:
        """Return this network without the maps that nobody looks at: some take longer than the network."""
        other = copy.copy(self)
        other.provides = self.provides & ({"logits"} | set(fields))
        return other

    def with_protocol(self, protocol: TestProtocol | None) -> MmsegSegmenter:
        """Return this network as mmsegmentation tests it on a closed-set dataset; it gives logits alone.

        The protocol sets windows and input size, None keeps the network's own windows and native size; a size that was
        asked for when the network was loaded goes before either.
        """
        other = copy.copy(self)
        other.provides = frozenset({"logits"})
        other._resizes_twice = True
        if protocol is not None:
            other._windows = (protocol.slide.crop, protocol.slide.stride) if protocol.slide else None
            if self.input_size == InputSize():
                short_side, limit = protocol.short_side, protocol.long_side_at_most
                other.input_size = InputSize(short_side=short_side, long_side_at_most=limit)
        return other

    def describe(self) -> ModelRecord:
        """Say which network this is, with which weights and at which resolution."""
        inference = "whole"
        if self._windows is not None:
            inference = f"slide, crop {self._windows[0]}, stride {self._windows[1]}"
        return ModelRecord(
            checkpoint=self.checkpoint.path.name,
            checkpoint_sha256=self.checkpoint.sha256,
            config=self.config.source,
            config_sha256=self.config.sha256,
            classes=list(self.classes),
            inference=inference,
            resize=str(self.input_size),
            own_resize=self.input_size.of_network,
            device=torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu",
        )

    def _preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """Return the network's input (1, 3, h, w): normalised and padded by the model's own preprocessor."""
        # mmsegmentation loads images as BGR, and its preprocessor is told what to make of that.
        pixels = torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)))
        batch = self.model.data_preprocessor({"inputs": [pixels], "data_samples": [SegDataSample()]}, False)
        preprocessed: Tensor = batch["inputs"]
        return preprocessed

    def _infer(self, inputs: Tensor, size: tuple[int, int]) -> _Maps:
        """Run the network on an input (1, 3, h, w) that pads an image of `size` at the bottom and the right."""
        maps = self._forward(inputs)[0] if self._windows is None else self._slide(inputs, *self._windows)
        return {name: replace(values, size=size) for name, values in maps.items()}

    def _slide(self, inputs: Tensor, crop: tuple[int, int], stride: tuple[int, int]) -> _Maps:
        """Average over windows, several at a time."""
        size = (inputs.shape[2], inputs.shape[3])
        window = (min(crop[0], size[0]), min(crop[1], size[1]))
        means: dict[str, WindowMean | WindowFeatureMean] = {}
        corners = window_corners(size, window, stride)
        for start in range(0, len(corners), self.window_batch):
            batch = corners[start : start + self.window_batch]
            crops = [inputs[0, :, top : top + window[0], left : left + window[1]] for top, left in batch]
            for corner, maps in zip(batch, self._forward(torch.stack(crops)), strict=True):
                for name, values in maps.items():
                    if name not in means:
                        means[name] = WindowFeatureMean(size) if name == "features" else WindowMean(size)
                    means[name].add(values, corner)
        return {name: mean.result() for name, mean in means.items()}

    def _forward(self, inputs: Tensor) -> list[_Maps]:
        """Run a batch (n, 3, h, w) and return one output each; maps stand for the input's pixels."""
        size = (inputs.shape[2], inputs.shape[3])
        if self.device.type == "cuda":
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with self._listening() as tensors:
            if self._gives_coarse_logits:
                tensors["logits"] = self.model._forward(inputs)
            else:
                meta = {"ori_shape": size, "img_shape": size, "pad_shape": size, "padding_size": [0, 0, 0, 0]}
                tensors["logits"] = self.model.encode_decode(inputs, [dict(meta) for _ in inputs])
        align_corners = self.model.align_corners
        return [
            {
                name: CoarseMaps.covering(values[index].float().contiguous(), size, align_corners)
                for name, values in tensors.items()
            }
            for index in range(len(inputs))
        ]

    @contextmanager
    def _listening(self) -> Iterator[dict[str, Tensor]]:
        """Collect what a forward shows besides its logits, by the fields of `Prediction`; only what is provided."""
        seen: dict[str, Tensor] = {}

        def keep_features(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            seen["features"] = arguments[0]

        def keep_densities(module: ClassMixtures, arguments: tuple[Tensor, ...], joint: Tensor) -> None:
            if "log_density" in self.provides and not self._logits_are_densities:
                seen["log_density"] = module.class_log_density(joint, "max")
            if "log_density_logsumexp" in self.provides:
                seen["log_density_logsumexp"] = module.class_log_density(joint, "logsumexp")

        with ExitStack() as hooks:
            if self.classifier is not None and "features" in self.provides:
                hooks.enter_context(self.classifier.register_forward_pre_hook(keep_features))
            if isinstance(self.classifier, GMMClassifier):
                hooks.enter_context(self.classifier.mixtures.register_forward_hook(keep_densities))
            yield seen


def load_segmenter(
    checkpoint_path: Path,
    config: str | None = None,
    *,
    device: DeviceName = "auto",
    input_size: InputSize | None = None,
    window_batch: int = 4,
) -> MmsegSegmenter:
    """Build the network of a checkpoint and load its weights.

    Raises InputError where the checkpoint or the config cannot be used or do not fit each other, and where CUDA is
    asked for but not there.
    """
    target = _choose_device(device)
    checkpoint = load_checkpoint(checkpoint_path)
    init_default_scope("mmseg")
    found = find_config(checkpoint, config)
    try:
        with warnings.catch_warnings(), no_larger_than(checkpoint.weights):
            # The zoo warns of its own deprecated calls and of losses, which inference does not use.
            warnings.simplefilter("ignore")
            model = MODELS.build(ConfigDict(found.model))
    except TooLargeError as error:
        raise InputError(
            f"the config ({found.source}) asks for a far larger network than the weights in {checkpoint_path}; name "
            f"its own config with --config."
        ) from error
    except Exception as error:  # the zoo's constructors fail in their own ways
        raise InputError(
            f"the config ({found.source}) does not build a network for {checkpoint_path} ({_first_line(error)}); name "
            f"its own config with --config."
        ) from error
    if not isinstance(model, EncoderDecoder):
        raise InputError(
            f"the config ({found.source}) builds a {type(model).__name__}; only EncoderDecoder networks can be used."
        )
    _check_normalisation(model, found)
    model = revert_sync_batchnorm(model)
    _load_weights(model, checkpoint, found)
    return MmsegSegmenter(
        model,
        checkpoint,
        found,
        device=target,
        input_size=input_size or InputSize(),
        window_batch=window_batch,
    )


def _first_line(error: Exception) -> str:
    """Return what an error says first, short enough for a sentence and without control characters."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    said = lines[0].strip()[:300] if lines else type(error).__name__
    return "".join(character if character.isprintable() else "?" for character in said)


def _check_normalisation(model: EncoderDecoder, config: ModelConfig) -> None:
    """Refuse a network that would see raw pixels."""
    if not isinstance(model.data_preprocessor, SegDataPreProcessor):
        raise InputError(
            f"the config ({config.source}) has no SegDataPreProcessor in its model, so images could not be normalised; "
            f"name a config of mmsegmentation 1.x with --config."
        )


def _choose_device(name: DeviceName) -> torch.device:
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("--device cuda: PyTorch sees no CUDA device here; use --device cpu.")
    return torch.device("cuda" if name != "cpu" and available else "cpu")


def _load_weights(model: nn.Module, checkpoint: Checkpoint, config: ModelConfig) -> None:
    """Load strictly: every weight that inference uses must be there, in its shape, and none be left over."""
    expected = {name: value for name, value in model.state_dict().items() if matters_to_inference(name)}
    given = {name: value for name, value in checkpoint.weights.items() if matters_to_inference(name)}
    for name in expected.keys() & given.keys():
        of_classes = name.endswith(("conv_seg.weight", "conv_seg.mixtures.means")) and given[name].dim() > 0
        if of_classes and len(expected[name]) != len(given[name]):
            raise InputError(
                f"the checkpoint {checkpoint.path} was trained for {len(given[name])} classes, but the config "
                f"({config.source}) builds {len(expected[name])}; name its own config with --config."
            )
    faults = [f"{name} is missing" for name in expected if name not in given]
    faults += [f"{name} is not part of the network" for name in given if name not in expected]
    faults += [
        f"{name} has shape {tuple(given[name].shape)} instead of {tuple(value.shape)}"
        for name, value in expected.items()
        if name in given and given[name].shape != value.shape
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise InputError(
            f"the checkpoint {checkpoint.path} does not fit the config ({config.source}): "
            f"{'; '.join(faults[:3])}{more}; name its own config with --config."
        )
    model.load_state_dict(given, strict=False)


def matters_to_inference(name: str) -> bool:
    """Whether inference uses a weight: auxiliary heads only serve training, and batch counters nothing."""
    return not name.startswith("auxiliary_head.") and not name.endswith("num_batches_tracked")


def _fits(checkpoint: Checkpoint) -> dict[str, FitRecord]:
    """Return what the class densities were fitted on, by the maps they become, where that happened after training."""
    noted = checkpoint.meta.get(FIT)
    if noted is None:
        return {}
    try:
        record = FitRecord.model_validate(noted)
    except ValidationError as error:
        raise InputError(f"the checkpoint {checkpoint.path} does not say what its mixtures were fitted on.") from error
    # Logits follow from the densities.
    return dict.fromkeys(("logits", "log_density", "log_density_logsumexp"), record)


def _class_names(checkpoint: Checkpoint, model: EncoderDecoder) -> tuple[str, ...]:
    """Return the checkpoint's class names, checked against the network, or numbered ones."""
    if model.out_channels != model.num_classes:
        raise InputError("a network with a single sigmoid output has no class logits; two classes or more are needed.")
    names = checkpoint.classes
    if names is None:
        return tuple(f"class {index}" for index in range(model.num_classes))
    if len(names) != model.num_classes:
        raise InputError(
            f"the checkpoint {checkpoint.path} names {len(names)} classes, but the network has {model.num_classes}; "
            f"name its own config with --config."
        )
    return names


def _is_plain(model: EncoderDecoder, head: Any) -> bool:
    """Whether `_forward` returns the very logits that the model's own inference would resize."""
    plain_model = type(model).encode_decode in (
        EncoderDecoder.encode_decode,
        CascadeEncoderDecoder.encode_decode,
    )
    plain_head = isinstance(head, BaseDecodeHead) and type(head).predict_by_feat is BaseDecodeHead.predict_by_feat
    own_predict = type(head).predict not in _PLAIN_PREDICTS
    return plain_model and plain_head and not own_predict


_PLAIN_PREDICTS = (
    BaseDecodeHead.predict,
    mmseg.models.decode_heads.cascade_decode_head.BaseCascadeDecodeHead.predict,
)
