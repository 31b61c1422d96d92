"""Names of any length: legends and titles stay within the figure and apart, and say which method is meant."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from anomaly_eval.reports.figures.dataset import dataset_figures
from anomaly_eval.reports.figures.short_names import fitting_names, with_short_runs, without_shared
from anomaly_eval.reports.figures.style import legend_names, paper_style
from anomaly_eval.results.curves import Distribution
from anomaly_eval.results.titles import without_run
from tests.anomaly_eval.reports.figures.drawn import curve, state

SHIPPED = ("softmax_efficientnet-lite0_cityscapes", "gmmseg_efficientnet-lite0_cityscapes")
MEANS = ("mean of probabilities", "mean of scores")
SCORES = ("MSP", "Entropy", "Max logit", "Energy", "SML", "Mahalanobis", "GMMSeg (log-sum-exp)")


def methods(runs: Sequence[str], count: int) -> list[str]:
    """As many methods as asked for, those of the first run first."""
    return [f"{run}/{score}" for run, score in product(runs, SCORES)][:count]


def distributions(names: Sequence[str]) -> list[Distribution]:
    drawn, histogram = curve(1, pixels=500), state(1, pixels=500).histogram(5)
    return [Distribution("d", name, drawn, histogram) for name in names]


def legend_of(figure: Figure) -> Legend:
    (legend,) = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return legend


MANY = {
    "6": [*methods(SHIPPED[:1], 3), *methods(SHIPPED[1:], 3)],
    "11": [*methods(SHIPPED[:1], 4), *methods(SHIPPED[1:], 4), *methods(MEANS, 3)],
    "23": [*methods(SHIPPED[:1], 6), *methods(SHIPPED[1:], 7), *methods(MEANS[:1], 5), *methods(MEANS[1:], 5)],
    "few": [f"{run}/Mahalanobis" for run in SHIPPED],
    "nothing shared": methods(["x" * 50, "y" * 50], 11),
    "alike but in the middle": methods([f"{'a' * 30}{middle}{'b' * 30}" for middle in "12"], 9),
    "wide": [f"{'W' * 70}/Mahalanobis", "W" * 200, "W" * 199, "MSP"],
    "one": [f"{SHIPPED[0]}/GMMSeg (log-sum-exp)"],
    "one wide": ["W" * 60],
    "other scripts": ["漢字/_x", "_y/_x", "b: c/d: e", "$x$/\\y", "🚗" * 30],
}


@pytest.mark.parametrize("names", MANY.values(), ids=MANY)
def test_legends_and_titles_lie_within_the_figure_and_apart(names: list[str]) -> None:
    for key, figure in dataset_figures(distributions(names)).items():
        with paper_style():
            figure.draw_without_rendering()
        whole = figure.bbox
        legend = legend_of(figure).get_window_extent()
        labels = [text.get_text() for text in legend_of(figure).get_texts()]
        titles = [axes.title for axes in figure.axes if axes.get_title()]
        boxes = [text.get_window_extent() for text in titles]
        if key == "histograms":
            assert len({title.get_text() for title in titles}) == len(names)
        elif not key.startswith("threshold"):
            assert len(set(labels)) == len(names)
        for box in (legend, *boxes, *(axes.xaxis.label.get_window_extent() for axes in figure.axes if axes.axison)):
            assert whole.x0 <= box.x0 and box.x1 <= whole.x1, key
            assert whole.y0 <= box.y0 and box.y1 <= whole.y1, key
        assert not any(one.overlaps(other) for one, other in combinations([*boxes, legend], 2) if boxes), key
        texts = [text.get_window_extent() for text in legend_of(figure).get_texts()]
        assert not any(one.overlaps(other) for one, other in combinations(texts, 2)), key
        box = figure.axes[0].get_position()
        assert box.width > 0.25 if key == "histograms" and len(names) > 2 else box.width > 0.4, key


def test_what_the_networks_share_is_left_out_of_legends() -> None:
    roc = dataset_figures(distributions(MANY["6"]))["roc"]
    shown = [text.get_text() for text in legend_of(roc).get_texts()]
    assert shown == [f"{run}: {score}" for run, score in product(("softmax", "gmmseg"), SCORES[:3])]
    roc = dataset_figures(distributions(MANY["23"]))["roc"]
    shown = [text.get_text() for text in legend_of(roc).get_texts()]
    assert {"softmax: MSP", "gmmseg: Mahalanobis", "mean of probabilities: MSP", "mean of scores: MSP"} <= set(shown)


def test_many_short_names_stand_in_as_many_columns_as_fit() -> None:
    heights = [
        dataset_figures(distributions([f"{index:02d}{name}" for index in range(16)]))["roc"].get_figheight()
        for name in ("", " and more words")
    ]
    assert heights[0] == pytest.approx(heights[1] - 4 * 0.13)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["net_a_x: MSP", "net_b_x: MSP"], ["a: MSP", "b: MSP"]),
        (["net: MSP", "net: SML"], ["MSP", "SML"]),
        (["net_a: MSP"], ["net_a: MSP"]),
        (["seed1: MSP", "seed2: MSP"], ["seed1: MSP", "seed2: MSP"]),
        (["net: MSP", "net_large: MSP"], ["net: MSP", "net_large: MSP"]),
        (["net: MSP", "MSP"], ["net: MSP", "MSP"]),
        # Those of networks that share nothing with a short name beside them.
        (
            [*(f"{run}: MSP" for run in SHIPPED), "mean of scores: MSP"],
            ["softmax: MSP", "gmmseg: MSP", "mean of scores: MSP"],
        ),
    ],
)
def test_what_all_runs_share(names: list[str], expected: list[str]) -> None:
    assert without_shared(names) == expected


RUNS = st.text("ab_-. /:…()12", max_size=12)


@given(st.lists(st.tuples(RUNS, st.sampled_from(SCORES)), min_size=1, max_size=8, unique=True), st.integers(1, 12))
def test_no_two_are_alike_and_every_score_stays(parts: list[tuple[str, str]], room: int) -> None:
    names = list(dict.fromkeys(f"{run}: {score}" if run else score for run, score in parts))
    for labels in (without_shared(names), with_short_runs(names, room)):
        assert len(set(labels)) == len(labels) == len(names)
        assert all(without_run(name)[1] in label for name, label in zip(names, labels, strict=True))
    fitting = fitting_names(names, lambda labels: max(map(len, labels)) <= 30)
    assert fitting is None or max(map(len, fitting)) <= 30
    if max(map(len, names)) <= 30:
        assert fitting == names


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=90), max_size=5, unique=True))
def test_legends_name_every_method_differently(names: list[str]) -> None:
    assert len(set(legend_names(names).values())) == len(names)
