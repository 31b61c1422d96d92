"""Which layer of a module is the last, whose input are the features: found by what it gives, never by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from anomaly_eval.segmenters.python.outputs import are_probabilities

_KINDS = (nn.Conv2d, nn.ConvTranspose2d)


@contextmanager
def convolutions_heard(module: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Collect what every convolution of a module gives, by its name, in the order in which they ran last."""
    heard: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(layer: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
            heard.pop(name, None)
            heard[name] = output

        return hook

    with ExitStack() as hooks:
        # Of scripted layers nothing is heard.
        for name, layer in module.named_modules():
            if isinstance(layer, _KINDS):
                hooks.enter_context(layer.register_forward_hook(keep(name)))
        yield heard


def last_layer(heard: Mapping[str, Tensor], output: Tensor) -> str | None:
    """Return the convolution whose maps are the output (n, classes, h, w), as they are or resized bilinearly.

    A softmax may come before or after resizing. None where there is no such layer.
    """
    for name, values in reversed(list(heard.items())):
        if values.dim() == 4 and values.shape[:2] == output.shape[:2] and _leads_to(values.float(), output.float()):
            return name
    return None


def _leads_to(values: Tensor, output: Tensor) -> bool:
    size = (output.shape[2], output.shape[3])
    forms = [values, values.softmax(1)] if are_probabilities(output) else [values]
    for align_corners in (False, True):
        for form in forms:
            resized = (
                form
                if form.shape == output.shape
                else interpolate(form, size, mode="bilinear", align_corners=align_corners)
            )
            for found in (resized, resized.softmax(1)):
                if torch.allclose(found, output, atol=1e-4, rtol=1e-4):
                    return True
    return False
