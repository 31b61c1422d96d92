"""Several networks whose maps were averaged, as one record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from anomaly_eval.results.origins import MeanOf, ModelRecord


def mean_record(members: Sequence[ModelRecord], of: MeanOf | None = None) -> ModelRecord:
    """Return the record of the mean of networks with the same classes, which holds those of its members in their order.

    Its checkpoint is named after theirs, and its hashes are over theirs; empty where a member's is, which nothing tells
    from others. What several say alike stands there once. One member alone is itself. of: what of
    several was averaged.
    """
    first = members[0]
    if len(members) == 1:
        return first
    named = next((one for one in members if one.class_names_from != "nowhere"), first)
    return ModelRecord(
        checkpoint=" + ".join(one.checkpoint for one in members),
        checkpoint_sha256=_hash_over([one.checkpoint_sha256 for one in members]),
        config=_alike(one.config for one in members),
        config_sha256=_hash_over([one.config_sha256 for one in members]),
        imports={name: sha256 for one in reversed(members) for name, sha256 in one.imports.items()},
        classes=list(named.classes),
        dropped_classes=list(dict.fromkeys(name for one in members for name in one.dropped_classes)),
        class_names_from=named.class_names_from,
        inference=_alike(one.inference for one in members),
        resize=_alike(one.resize for one in members),
        own_resize=all(one.own_resize for one in members),
        device=_alike(one.device for one in members),
        notes=list(dict.fromkeys(note for one in members for note in one.notes)),
        tta=_alike(one.tta or "none" for one in members) if any(one.tta for one in members) else None,
        mean_of=of,
        members=list(members),
    )


def _hash_over(hashes: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest() if all(hashes) else ""


def _alike(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))
