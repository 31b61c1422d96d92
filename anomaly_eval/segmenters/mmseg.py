"""Networks of mmsegmentation: built from a config, filled from a checkpoint, run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from anomaly_eval.errors import InputError
from anomaly_eval.results.origins import FitRecord
from anomaly_eval.segmenters.configs import ModelConfig, find_config
from anomaly_eval.segmenters.exporting import FIT, checkpoint_with_classifier, exported_network
from anomaly_eval.segmenters.fitting_weights import load_weights
from anomaly_eval.segmenters.linear_classifier import linear_classifier
from anomaly_eval.segmenters.mask_heads import is_mask_classifier, queries_of
from anomaly_eval.segmenters.network import Network, NetworkFacts, Queries, first_line
from anomaly_eval.segmenters.official import official_network
from anomaly_eval.segmenters.own_windows import windows_of
from anomaly_eval.segmenters.parameter_limit import TooLargeError, no_larger_than
from anomaly_eval.segmenters.segformer_names import is_of_nvlabs, network_of_nvlabs, weights_of_nvlabs
from gmmseg.checkpoints import Checkpoint, load_checkpoint
from gmmseg.class_names import are_numbers
from gmmseg.classifier import GMMClassifier
from gmmseg.mixtures import ClassMixtures
from gmmseg.settings import MixtureSettings


class MmsegNetwork(Network):
    """An `EncoderDecoder` of mmsegmentation with its own preprocessing.

    Logits and features stay on the network's own coarse grid, unless its inference is its own affair.
    """

    def __init__(
        self, model: EncoderDecoder, checkpoint: Checkpoint, config: ModelConfig, device: torch.device
    ) -> None:
        self.model = model.eval().to(device)
        if device.type == "cuda":
            self.model = self.model.to(memory_format=torch.channels_last)
        self.checkpoint, self.config = checkpoint, config
        head = model.decode_head[-1] if isinstance(model.decode_head, nn.ModuleList) else model.decode_head
        self._gives_coarse_logits = _is_plain(model, head)
        self._gives_queries = is_mask_classifier(model, head)
        self.classifier: nn.Module | None = getattr(head, "conv_seg", None)
        self._threshold = _threshold(model, head, checkpoint.path)
        # The one output of a binary head is not the logits.
        self.linear_classifier = linear_classifier(self.classifier) if self._threshold is None else None
        super().__init__(self._facts(), device)

    def prepare(self, image: NDArray[np.uint8]) -> Tensor:
        """Return the network's input (1, 3, h, w): normalised and padded by the model's own preprocessor."""
        # mmsegmentation loads images as BGR, and its preprocessor is told what to make of that.
        pixels = torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)))
        batch = self.model.data_preprocessor({"inputs": [pixels], "data_samples": [SegDataSample()]}, False)
        preprocessed: Tensor = batch["inputs"]
        return preprocessed

    def forward(self, inputs: Tensor, wanted: frozenset[str]) -> Mapping[str, Tensor | Queries]:
        """Return the wanted maps of a batch (n, 3, h, w)."""
        size = (inputs.shape[2], inputs.shape[3])
        if self.device.type == "cuda":
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        if self._gives_queries:
            return {"evidence": queries_of(self.model, inputs)}
        with self._listening(wanted) as tensors:
            if self._gives_coarse_logits:
                tensors["logits"] = self.model._forward(inputs)
            else:
                meta = {"ori_shape": size, "img_shape": size, "pad_shape": size, "padding_size": [0, 0, 0, 0]}
                tensors["logits"] = self.model.encode_decode(inputs, [dict(meta) for _ in inputs])
        if self._threshold is not None:
            # The softmax of (0, z) is the sigmoid of z.
            tensors["logits"] = torch.cat([torch.zeros_like(tensors["logits"]), tensors["logits"]], dim=1)
        return tensors

    def remedy(self, error: Exception) -> str:
        """Say what a user can do about an error of `prepare` or `forward`."""
        said = str(error)
        if isinstance(error, NotImplementedError) and "compiled operation" in said:
            return "install an mmcv with its operations, see docs/compiled-mmcv.md"
        if "channels" in said:
            return "choose a network for images of three channels"
        if "size" in said.lower():
            return (
                "choose sides that are multiples of 32 with --resize 1x/32 or --resize WIDTHxHEIGHT, or pad to them by "
                "data_preprocessor=dict(test_cfg=dict(size_divisor=32)) in the model of a config that you name with "
                "--config"
            )
        return super().remedy(error)

    def exported(self) -> bytes:
        """Return the network as one safetensors file; see `exporting`."""
        return exported_network(self)

    def with_mixtures(self, settings: MixtureSettings, state: Mapping[str, Tensor], fit: FitRecord) -> bytes:
        """Return a checkpoint of the same network with another last layer; see `exporting`."""
        return checkpoint_with_classifier(self, settings, state, fit)

    def _facts(self) -> NetworkFacts:
        provides, same_as_logits = {"evidence" if self._gives_queries else "logits"}, frozenset[str]()
        if self.classifier is not None:
            provides.add("features")
        if self.linear_classifier is not None:
            provides.add("classifier")
        if isinstance(self.classifier, GMMClassifier):
            provides |= {"log_density", "log_density_logsumexp"}
            if self._gives_coarse_logits and self.classifier.gives_densities:
                same_as_logits = frozenset({"log_density"})
        class_names, names_from = _class_names(self.checkpoint, self.config, self.model)
        return NetworkFacts(
            name=self.checkpoint.path.name,
            sha256=self.checkpoint.sha256,
            n_classes=self.model.num_classes,
            class_names=class_names,
            class_names_from=names_from,
            threshold=self._threshold,
            config=self.config.source,
            config_sha256=self.config.sha256,
            provides=frozenset(provides),
            same_as_logits=same_as_logits,
            align_corners=self.model.align_corners,
            windows=windows_of(self.model.test_cfg, self.config.source),
            fits=_fits(self.checkpoint),
        )

    @contextmanager
    def _listening(self, wanted: frozenset[str]) -> Iterator[dict[str, Tensor]]:
        """Collect what a forward shows besides its logits, by the fields of `Prediction`; only what is wanted."""
        seen: dict[str, Tensor] = {}

        def keep_features(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            seen["features"] = arguments[0]

        def keep_densities(module: ClassMixtures, arguments: tuple[Tensor, ...], joint: Tensor) -> None:
            if "log_density" in wanted:
                seen["log_density"] = module.class_log_density(joint, "max")
            if "log_density_logsumexp" in wanted:
                seen["log_density_logsumexp"] = module.class_log_density(joint, "logsumexp")

        with ExitStack() as hooks:
            if self.classifier is not None and "features" in wanted:
                hooks.enter_context(self.classifier.register_forward_pre_hook(keep_features))
            if isinstance(self.classifier, GMMClassifier):
                hooks.enter_context(self.classifier.mixtures.register_forward_hook(keep_densities))
            yield seen


def load_network(checkpoint_path: Path, config: str | None, device: torch.device) -> MmsegNetwork:
    """Build the network of a checkpoint and load its weights.

    Raises InputError where the checkpoint or the config cannot be used or do not fit each other.
    """
    checkpoint = load_checkpoint(checkpoint_path)
    init_default_scope("mmseg")
    checkpoint, found = official_network(checkpoint, config) or (checkpoint, find_config(checkpoint, config))
    if is_of_nvlabs(checkpoint.weights):
        found = replace(found, model=network_of_nvlabs(found.model, checkpoint.weights))
        checkpoint = replace(checkpoint, weights=weights_of_nvlabs(checkpoint.weights))
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
            f"the config ({found.source}) does not build a network for {checkpoint_path} ({first_line(error)}); name "
            f"its own config with --config."
        ) from error
    if not isinstance(model, EncoderDecoder):
        raise InputError(
            f"the config ({found.source}) builds a {type(model).__name__}, and only an EncoderDecoder can be used; "
            f"name the config of one with --config."
        )
    _check_normalisation(model, found)
    model = revert_sync_batchnorm(model)
    load_weights(model, checkpoint, found)
    return MmsegNetwork(model, checkpoint, found, device)


def _check_normalisation(model: EncoderDecoder, config: ModelConfig) -> None:
    """Refuse a network that would see raw pixels, or another number of channels than images have."""
    if not isinstance(model.data_preprocessor, SegDataPreProcessor):
        raise InputError(
            f"the config ({config.source}) has no SegDataPreProcessor in its model, so images could not be normalised; "
            f"name a config of mmsegmentation 1.x with --config."
        )
    means = getattr(model.data_preprocessor, "mean", None)
    if means is not None and len(means) not in (1, 3):
        raise InputError(
            f"the config ({config.source}) normalises images of {len(means)} channels; choose a network for images of "
            f"three channels."
        )


def _fits(checkpoint: Checkpoint) -> dict[str, FitRecord]:
    """Return what the class densities were fitted on, by the maps they become, where that happened after training."""
    noted = checkpoint.meta.get(FIT)
    if noted is None:
        return {}
    try:
        record = FitRecord.model_validate(noted)
    except ValidationError as error:
        raise InputError(
            f"the checkpoint {checkpoint.path} does not say what its mixtures were fitted on; write it again with "
            f"gmmseg-anomaly fit-mixtures."
        ) from error
    # Logits follow from the densities.
    return dict.fromkeys(("logits", "log_density", "log_density_logsumexp"), record)


def _threshold(model: EncoderDecoder, head: Any, path: Path) -> float | None:
    """Return above which sigmoid the one output of a binary head is its second class; None for an output a class.

    Raises InputError for a network of one class.
    """
    if model.num_classes >= 2:
        return head.threshold if model.out_channels == 1 else None
    raise InputError(
        f"the checkpoint {path} is of a network of one class, whose probability is always 1, so that nothing "
        f"could be scored; where its one output is meant as a sigmoid, name a config with num_classes=2 and "
        f"out_channels=1 in the decode head with --config."
    )


def _class_names(
    checkpoint: Checkpoint, config: ModelConfig, model: EncoderDecoder
) -> tuple[tuple[str, ...] | None, str]:
    """Return the class names of the checkpoint, else of its config, and which of them; None where neither has any."""
    names = checkpoint.classes
    # Numbers say nothing of the order; files of earlier versions note those that stood in for names.
    if names is not None and not are_numbers(names):
        if len(names) == model.out_channels == 1:
            # The name of a sigmoid's one output is that of its second class.
            names = (f"not {names[0]}", *names)
        if len(names) != model.num_classes:
            raise InputError(
                f"the checkpoint {checkpoint.path} names {len(names)} class{'es' * (len(names) != 1)}, but the network "
                f"has {model.num_classes}; save it with the names of all, or of none."
            )
        return names, "the checkpoint"
    # A config often keeps the data of its base, which are not those of the network then.
    names = config.class_names
    if names is None or are_numbers(names) or len(names) != model.num_classes:
        return None, "nowhere"
    return names, "the config"


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
