"""The memory of GMMSeg (section 3.3): for each component a queue of pixel features, first in, first out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gmmseg.errors import InputError
from gmmseg.estimation import Moments


class FeatureMemory:
    """Queues of at most `size` features of D dimensions for C x M components, with their moments.

    The moments follow what enters and leaves, in float64, so an M-step never reads the queues themselves. Features are
    rounded to the storage type before they are counted, so what leaves is exactly what entered. Nothing is allocated
    before the first feature comes, and nothing of this is part of a `state_dict`.
    """

    def __init__(
        self,
        classes: int,
        components: int,
        dimensions: int,
        size: int,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        self.classes, self.components, self.dimensions, self.size = classes, components, dimensions, size
        self.dtype, self.device = dtype, device
        self._stored: Tensor | None = None
        self.fill = torch.zeros(classes * components, dtype=torch.int64)
        """(C M,) int64, on the CPU: features in each queue."""
        self._next = torch.zeros_like(self.fill)
        self._mass, self._sums = torch.zeros(0), torch.zeros(0)

    def push(self, features: Tensor, components: Tensor) -> None:
        """Enter features (N, D) into the queues `components` (N,) int64 in [0, C M), in their order.

        Where more than `size` come for one queue, the last ones stay.
        """
        if len(features) == 0:
            return
        stored = self._allocate(features.device)
        order = components.argsort(stable=True)
        # Half precision ends at 65,504, and an infinite sum would stay infinite for good.
        largest = torch.finfo(self.dtype).max
        queue, features = components[order], features[order].clamp(-largest, largest).to(self.dtype)
        arriving = torch.bincount(queue, minlength=len(self.fill))
        rank = torch.arange(len(queue), device=queue.device) - (arriving.cumsum(0) - arriving)[queue]
        kept = rank >= (arriving - self.size)[queue]
        fill, following = self.fill.to(queue.device), self._next.to(queue.device)
        slot = (following[queue] + rank) % self.size
        place = (queue * self.size + slot)[kept]
        evicted = kept & (slot < fill[queue])
        if bool(evicted.any()):
            leaving = stored[(queue * self.size + slot)[evicted].to(stored.device)].to(features.device)
            self._count(leaving, queue[evicted], -1)
        self._count(features[kept], queue[kept], 1)
        stored[place.to(stored.device)] = features[kept].to(stored.device)
        self.fill = torch.clamp(self.fill + arriving.cpu(), max=self.size)
        self._next = (self._next + arriving.cpu()) % self.size

    def fill_with_directions(self, device: torch.device, seed: int) -> None:
        """Fill every queue with random vectors of length one, as the official code starts."""
        generator = torch.Generator().manual_seed(seed)
        stored = self._allocate(device)
        for queue in range(len(self.fill)):
            drawn = torch.randn(self.size, self.dimensions, generator=generator)
            directions = torch.nn.functional.normalize(drawn, dim=1).to(device, self.dtype)
            stored[queue * self.size : (queue + 1) * self.size] = directions.to(stored.device)
            self._count(directions, torch.full((self.size,), queue, device=device), 1)
        self.fill.fill_(self.size)

    def moments(self, device: torch.device) -> Moments:
        """Return count, sum and sum of squares of what the queues hold."""
        self._allocate(device)
        shape = (self.classes, self.components)
        total, square = self._sums.reshape(*shape, 2, self.dimensions).unbind(2)
        return Moments(self._mass.reshape(shape), total, square)

    def clear(self, queues: Tensor) -> None:
        """Empty the queues (C M,) where `queues` is true."""
        where = queues.cpu()
        self.fill[where], self._next[where] = 0, 0
        if self._stored is not None:
            self._mass[queues.to(self._mass.device)] = 0
            self._sums[queues.to(self._sums.device)] = 0

    def state(self) -> dict[str, Tensor]:
        """Return all that `load_state` needs to go on exactly, on the CPU; empty if nothing was ever entered."""
        if self._stored is None:
            return {}
        longest = int(self.fill.max())
        queues = self._stored.reshape(len(self.fill), self.size, self.dimensions)[:, :longest]
        state = {"stored": queues, "fill": self.fill, "next": self._next, "mass": self._mass, "sums": self._sums}
        return {name: value.detach().to("cpu", copy=True) for name, value in state.items()}

    def load_state(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Take what `state` returned, for a network on `device`. Raises InputError where it does not fit."""
        if not state:
            self.clear(torch.ones(len(self.fill), dtype=torch.bool))
            return
        queues, fill, following = state["stored"], state["fill"], state["next"]
        expected = (len(self.fill), self.dimensions)
        found = (queues.shape[0], queues.shape[2])
        fits = found == expected and queues.shape[1] <= self.size and queues.dtype == self.dtype
        # The next place is behind the last, unless the queue was full at another size.
        if not (fits and bool(((fill == self.size) | (following == fill)).all())):
            raise InputError(
                f"the memory in the checkpoint holds {tuple(queues.shape)} {queues.dtype}, but the config asks for "
                f"{expected[0]} queues of {self.size} x {expected[1]} {self.dtype}; resume with the config it was "
                f"made with."
            )
        stored = self._allocate(device)
        stored.reshape(len(self.fill), self.size, self.dimensions)[:, : queues.shape[1]] = queues.to(stored.device)
        self.fill, self._next = fill.clone(), following.clone()
        self._mass, self._sums = state["mass"].to(device, copy=True), state["sums"].to(device, copy=True)

    def _allocate(self, device: torch.device) -> Tensor:
        """Return the queues as (C M size, D), made on the first call; moments lie beside the network."""
        if self._stored is None:
            rows = len(self.fill) * self.size
            try:
                # Zeros, because a state holds what lies behind the end of shorter queues as well.
                self._stored = torch.zeros(rows, self.dimensions, dtype=self.dtype, device=self.device or device)
            except (RuntimeError, AssertionError) as error:
                size = rows * self.dimensions * self.dtype.itemsize / 1e9
                raise InputError(
                    f"the memory of the mixtures ({size:.1f} GB on {self.device or device}) cannot be had; set "
                    f"mixture.memory_device, a smaller mixture.memory_size, or mixture.memory_dtype='float16'."
                ) from error
            self._mass = torch.zeros(len(self.fill), dtype=torch.float64, device=device)
            self._sums = torch.zeros(len(self.fill), 2 * self.dimensions, dtype=torch.float64, device=device)
        return self._stored

    def _count(self, features: Tensor, queue: Tensor, sign: int) -> None:
        exact = features.double()
        self._mass.index_add_(0, queue, torch.full_like(exact[:, 0], sign))
        self._sums.index_add_(0, queue, sign * torch.cat([exact, exact.square()], dim=1))
