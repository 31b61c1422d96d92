"""What `gmmseg-anomaly networks` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.errors import InputError
from anomaly_eval.results.titles import method_name
from anomaly_eval.segmenters.kinds import network_kinds
from anomaly_eval.segmenters.network_cards import AnomalyResult, ClosedSetResult, NetworkCard, UsualThreshold
from anomaly_eval.segmenters.zoo import named_network, shipped_networks


def print_networks(console: Console) -> None:
    """Print all that the cards of all shipped networks say, and which kinds of networks can be given beside them."""
    networks = shipped_networks()
    if not networks:
        _say(console, "No networks ship with this version.")
    for number, network in enumerate(networks):
        _say(console, "\n" * min(number, 1) + network.card.name)
        _print_card(console, network.card)
    _say(console, f"\n--ckpt also takes {'; '.join(kind.title for kind in network_kinds())}.")


def print_network(console: Console, name: str) -> None:
    """Print all that the card of one network says; raises InputError for an unknown name."""
    _print_card(console, named_network(name).card)


def _print_card(console: Console, card: NetworkCard) -> None:
    sizes = ", ".join(card.statistics)
    for heading, text in (
        ("network", card.title),
        ("trained on", card.trained_on),
        ("config", card.config),
        ("recipe", card.recipe),
        ("input", f"--resize {card.input}, unless another one is given"),
        ("statistics", f"of fitted scores, for --resize {sizes}" if sizes else "none ship"),
        ("licence", card.licence),
        ("sha256", card.sha256),
        *(("mean IoU", f"{one.mean_iou:.2f} % on {_about(one)}") for one in card.closed_set),
        *((f"unknown from {one.score}", f"{one.threshold:.6g}: {_false_positives(one)}") for one in card.thresholds),
    ):
        _say(console, f"{heading}: {' '.join(text.split())}")
    if card.anomaly:
        console.print(_anomaly_table(card.anomaly))


def _anomaly_table(results: Sequence[AnomalyResult]) -> Table:
    """Put the scores below each other and the datasets side by side."""
    import anomaly_eval.scores  # noqa: F401  (they bring their titles)

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("AUROC / AP / FPR95 in %", overflow="fold")
    for result in results:
        table.add_column(escape(_about(result)), overflow="fold")
    for score in dict.fromkeys(score for result in results for score in result.scores):
        cells = (result.scores.get(score, ()) for result in results)
        table.add_row(method_name(score), *(" / ".join(f"{rate:.2f}" for rate in cell) for cell in cells))
    return table


def _false_positives(one: UsualThreshold) -> str:
    return f"{one.false_positives:g} % of the pixels of {_about(one)}"


def _about(result: ClosedSetResult | AnomalyResult | UsualThreshold) -> str:
    """Name the dataset, and say what was evaluated of it and how."""
    size = "" if result.input is None else f"--resize {result.input}"
    return ", ".join(filter(None, (_title(result.dataset), f"{result.images} images", size, result.note)))


def _title(dataset: str) -> str:
    """Return the title of a shipped dataset; one of the maintainers' own is called what it is called."""
    try:
        card, variant = load_card(dataset)
    except InputError:
        return dataset
    return card.title_of(variant)


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True, markup=False)
