"""Whether what was learnt with one network is used with the same, run in the same way."""

from __future__ import annotations

from anomaly_eval.results.origins import ModelRecord

_FIELDS = (
    ("checkpoint_sha256", "checkpoint"),
    ("config_sha256", "config"),
    ("asked_size", "--resize"),
    ("inference", "inference mode"),
    ("tta", "--tta"),
)


def network_difference(before: ModelRecord, now: ModelRecord) -> tuple[str, str] | None:
    """Say in what two networks differ that changes scores, and what stands for the one of now; None for the same."""
    for field, meaning in _FIELDS:
        if getattr(before, field) != getattr(now, field):
            return (
                f"another {meaning} ({shown(getattr(before, field))}, now {shown(getattr(now, field))})",
                "this one",
            )
    if before.mean_of != now.mean_of and before.mean_of is not None and now.mean_of is not None:
        return f"another mean of networks (of {before.mean_of}, now of {now.mean_of})", "this one"
    # What was imported since builds nothing of a network that was there before, such as a score of one's own.
    if not set(before.imports.values()) <= set(now.imports.values()):
        then, today = (shown(_modules(one) or "none") for one in (before, now))
        return f"other modules of --import ({then}, now {today})", "these"
    if before.dropped_classes != now.dropped_classes:
        then, today = (shown(" ".join(one.dropped_classes) or "none") for one in (before, now))
        return f"other --known-classes (dropped: {then}, now {today})", "these"
    # Names may be others, as earlier versions read them elsewhere; in another order they are other outputs.
    if before.classes != now.classes and sorted(before.classes) == sorted(now.classes):
        then, today = (shown(" ".join(one.classes)) for one in (before, now))
        return f"--known-classes in another order ({then}, now {today})", "this one"
    return None


def shown(value: str | None) -> str:
    """Write a value of a record into a sentence, whatever a file has in its place: hashes by their first digits."""
    value = value or "none"
    short = value[:12] if len(value) == 64 else value[:100]
    return short if short.isprintable() else repr(short)


def _modules(model: ModelRecord) -> str:
    return ", ".join(f"{name} {sha256[:12]}" for name, sha256 in model.imports.items())
