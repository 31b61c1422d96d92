"""What the numbers are of, in words: a network, or score maps from files."""

from __future__ import annotations

from pathlib import PurePath

from anomaly_eval.results.origins import MapFolderRecord, MapsRecord, ModelRecord, Origin
from anomaly_eval.results.titles import method_name

_HASH_DIGITS = 12


def origin_name(origin: Origin) -> str:
    """Return a short name: of the weights, or of the folders with score maps."""
    if isinstance(origin, MapsRecord):
        return f"score maps in {', '.join(PurePath(folder.folder).name for folder in origin.folders)}"
    return " + ".join(PurePath(one.checkpoint).stem for one in origin.members or [origin])


def origin_text(origin: Origin) -> str:
    """Name the network and its weights, or the folders of score maps, without the folders they lay in."""
    if isinstance(origin, MapsRecord):
        return " ".join(map(_folder_text, origin.folders))
    if origin.members:
        listed = (f"{PurePath(one.checkpoint).name} ({_hash(one, _HASH_DIGITS)})" for one in origin.members)
        return f"Mean of {', '.join(listed)}."
    return (
        f"Checkpoint: {PurePath(origin.checkpoint).name} ({_hash(origin, _HASH_DIGITS)}), "
        f"config: {PurePath(origin.config).name}."
    )


def origin_at_resolution(origin: Origin) -> str:
    """Return `origin_text`, and how the network was run, where it was."""
    text = origin_text(origin)
    return text if isinstance(origin, MapsRecord) else " ".join([text, _resolution(origin), *remarks(origin)])


def remarks(origin: Origin) -> list[str]:
    """Return sentences on outputs that were left out, and on what was taken for granted of a network."""
    if isinstance(origin, MapsRecord):
        return []
    dropped = origin.dropped_classes
    left_out = [f"Outputs left out: {', '.join(dropped)}."] if dropped else []
    averaging = [] if origin.averaging is None else [f"Averaged over views: {origin.averaging}."]
    return [*left_out, *(f"{note[:1].upper()}{note[1:]}." for note in origin.notes), *averaging]


def origin_lead(origin: Origin) -> tuple[str, ...]:
    """Return the few words on how a network was run, or that there was none."""
    if isinstance(origin, MapsRecord):
        return ("score maps from files",)
    return origin.inference, f"resolution {origin.resolution}", origin.device


def origin_details(origin: Origin) -> list[tuple[str, str]]:
    """Return all that is known, as pairs of a heading and a text."""
    if isinstance(origin, MapsRecord):
        return [pair for folder in origin.folders for pair in _folder_details(folder)]
    return _network_details(origin)


def _resolution(model: ModelRecord) -> str:
    views = "" if model.tta is None else f", averaged over the views {model.tta}"
    return f"Resolution: {model.resolution}, inference: {model.inference}{views}."


def _hash(model: ModelRecord, digits: int | None = None) -> str:
    """Return the hash of the weights in words; a function from Python has none."""
    return f"sha256 {model.checkpoint_sha256[:digits]}" if model.checkpoint_sha256 else "without a hash"


def _network_details(model: ModelRecord) -> list[tuple[str, str]]:
    return [
        ("Checkpoint", f"{model.checkpoint}, {_hash(model)}"),
        ("Config", f"{model.config}, sha256 {model.config_sha256}"),
        *(("Own code", f"{name}, sha256 {sha256}") for name, sha256 in model.imports.items()),
        ("Resolution", model.resolution),
        ("Inference", model.inference),
        *([("Views", model.tta)] if model.tta is not None else []),
        *([("Averaged over views", model.averaging)] if model.averaging is not None else []),
        ("Device", model.device),
        ("Classes", ", ".join(model.classes)),
        *([("Outputs left out", ", ".join(model.dropped_classes))] if model.dropped_classes else []),
        *([("Taken for granted", "; ".join(model.notes))] if model.notes else []),
    ]


def _folder_text(folder: MapFolderRecord) -> str:
    methods = ", ".join(map(method_name, folder.methods))
    text = (
        f"Score maps of {methods}: {folder.n_files} files in {PurePath(folder.folder).name} "
        f"(sha256 {folder.maps_sha256[:_HASH_DIGITS]}), {_precision(folder)}."
    )
    return text if folder.model is None else f"{text} {origin_at_resolution(folder.model)}"


def _folder_details(folder: MapFolderRecord) -> list[tuple[str, str]]:
    files = f"{folder.n_files} files {', '.join(folder.suffixes)}, {_precision(folder)}, sha256 {folder.maps_sha256}"
    maps = ("Score maps", f"{folder.folder}: {', '.join(map(method_name, folder.methods))}; {files}")
    return [maps, *(_network_details(folder.model) if folder.model is not None else [])]


def _precision(folder: MapFolderRecord) -> str:
    """Say what numbers the maps hold, and where the network's own were rounded."""
    rounded = folder.model is not None and folder.precision != "float32"
    return f"scores rounded to {folder.precision}" if rounded else folder.precision
