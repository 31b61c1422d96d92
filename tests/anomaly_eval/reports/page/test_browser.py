"""The page in a real browser: what a reader clicks, moves and sees."""

from __future__ import annotations

import io
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from anomaly_eval.reports.page import PageStore, write_page
from anomaly_eval.results.records import Results
from tests.anomaly_eval.reports.conftest import ROAD_ANOMALY, row
from tests.anomaly_eval.reports.page.chromium import BROWSER, Chromium
from tests.anomaly_eval.reports.page.made import Made, exact, fill, make

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine")

NASTY = '</script><b>"é'
MADE = {
    "a": make(0, (60, 100)),
    NASTY: make(3, (90, 50)),
    "nothing": make(5, with_anomaly=False),
    "d": make(7, (30, 120)),
}
ARROWS = {"ArrowLeft": 37, "ArrowRight": 39}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Start a browser once for all tests."""
    with Chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(chromium: Chromium, tmp_path: Path, results: Results) -> Chromium:
    """Open the page of a small run; another test may have left nothing behind."""
    rows = [row(ROAD_ANOMALY, "msp", 90, 9.5, 20), row(ROAD_ANOMALY, "sml", 80, 30, 10), row("none", "msp", 1, 1, 1)]
    with PageStore(tmp_path) as store:
        curves = fill(store, ROAD_ANOMALY, MADE)
        path = write_page(store, results.model_copy(update={"rows": rows}), curves, tmp_path)
    chromium.resize(1280, 900)
    chromium.open(path)
    return chromium


def move(page: Chromium, position: int) -> float:
    """Move the slider by the keyboard's way of events, and return the threshold that is then shown."""
    page.run(
        f"(slider => {{ slider.value = {position}; slider.dispatchEvent(new Event('input', {{bubbles: true}})); }})"
        "(document.querySelector('#threshold'))"
    )
    settle(page)
    return float(page.run("document.querySelector('#threshold-value').textContent").replace("∞", "inf"))


def settle(page: Chromium) -> None:
    """Wait until everything that was asked for is painted."""
    page.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def text(page: Chromium, selector: str) -> str:
    """Return what an element says."""
    return str(page.run(f"document.querySelector({selector!r}).textContent"))


def choose(page: Chromium, selector: str, value: str) -> None:
    """Choose an option of a select."""
    page.run(
        f"(select => {{ select.value = {value!r}; select.dispatchEvent(new Event('change')); }})"
        f"(document.querySelector({selector!r}))"
    )
    settle(page)


def pixels(page: Chromium, panel: int) -> NDArray[np.uint8]:
    """Return the colours (height, width, 3) of a panel: image, label, then the methods."""
    width, height, values = page.run(
        f"(canvas => [canvas.width, canvas.height, [...canvas.getContext('2d').getImageData(0, 0, canvas.width,"
        f" canvas.height).data]])(document.querySelectorAll('#panels canvas')[{panel}])"
    )
    return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]


def shown(page: Chromium) -> Made:
    """Return the image that is shown, once it is painted."""
    page.wait("document.body.dataset.image === document.querySelector('#list [aria-current]').dataset.image")
    return MADE[str(page.run("document.querySelector('#list [aria-current] .id').textContent"))]


def percent(part: int, whole: int) -> str:
    """Return a share as the page writes it."""
    if not whole:
        return "\u2013"
    # A browser rounds a tie up, Python to the even digit.
    return f"{Decimal(100 * part / whole).quantize(Decimal('0.01'), ROUND_HALF_UP)} %"


def test_a_click_on_a_header_sorts(page: Chromium) -> None:
    first = "#results table tbody tr:first-child td"
    assert text(page, first) == "MSP"
    header = "#results th[data-first=descending]:nth-child(6)"
    assert "AP" in text(page, header)
    page.click(f"{header} button")
    assert text(page, first) == "SML1" and page.run(f"document.querySelector({header!r}).ariaSort") == "descending"
    page.click(f"{header} button")
    assert text(page, first) == "MSP" and page.run(f"document.querySelector({header!r}).ariaSort") == "ascending"
    # A rate of which less is better starts with the least; what has no number stays last.
    page.click("#results th:nth-child(7) button")
    assert text(page, first) == "SML1"
    page.click("#results th:nth-child(8) button")
    page.click("#results th:nth-child(8) button")
    order = page.run(
        "[...document.querySelectorAll('#results table')[0].tBodies[0].rows].map(r => r.cells[7].textContent)"
    )
    assert order == ["1.00", "--"]


def test_a_moved_slider_changes_mask_and_rates(page: Chromium) -> None:
    choose(page, "#method", "0")
    last = int(page.run("document.querySelector('#threshold').max"))
    one = shown(page)
    sizes = []
    for position in (0, last // 3, last - 2):
        threshold = move(page, position)
        found, alarms, anomalies, inliers = exact({"": one}, "msp", threshold)
        assert text(page, "#image-tpr") == percent(found, anomalies)
        assert text(page, "#image-fpr") == percent(alarms, inliers)
        assert page.run("document.querySelector('#image-fpr').title") == f"{alarms:,} of {inliers:,} inlier pixels"
        found, alarms, anomalies, inliers = exact(MADE, "msp", threshold)
        assert text(page, "#pool-tpr") == text(page, ".panel.chosen .pool-tpr") == percent(found, anomalies)
        assert text(page, "#pool-fpr") == text(page, ".panel.chosen .pool-fpr") == percent(alarms, inliers)
        masked = pixels(page, 2)
        page.click("#mask")
        settle(page)
        plain = pixels(page, 2)
        page.click("#mask")
        settle(page)
        # The images of this test are so small that the picture has their own pixels; the outline lies above the mask.
        differs = (masked != plain).any(axis=2)
        wanted = (one.maps["msp"] >= np.float32(threshold)) & (one.label != 255)
        outline = np.isin(plain.reshape(-1, 3).sum(axis=1), (0, 765)).reshape(wanted.shape)
        assert np.array_equal(differs[~outline], wanted[~outline])
        assert (plain[one.label == 255] == 150).all()
        sizes.append(np.count_nonzero(differs))
    assert sizes[0] > sizes[1] > sizes[2] > 0


def test_other_methods_follow(page: Chromium) -> None:
    choose(page, "#method", "0")
    last = int(page.run("document.querySelector('#threshold').max"))
    for rate, column in (("tpr", 0), ("fpr", 1)):
        choose(page, "#follow", rate)
        threshold = move(page, last // 2)
        other = float(text(page, "#panels [data-kind=method]:nth-child(4) .at").removeprefix("≥ "))
        own, follower = (exact(MADE, method, at)[column] for method, at in (("msp", threshold), ("sml", other)))
        assert follower >= own if rate == "tpr" else follower <= own
        assert abs(follower - own) < 0.05 * exact(MADE, "msp", -np.inf)[2 + column]
    choose(page, "#follow", "")
    before = text(page, "#panels [data-kind=method]:nth-child(4) .at")
    move(page, 1)
    assert text(page, "#panels [data-kind=method]:nth-child(4) .at") == before


def test_right_and_wrong_in_colours(page: Chromium) -> None:
    choose(page, "#method", "1")
    choose(page, "#view", "outcome")
    threshold = move(page, int(page.run("document.querySelector('#threshold').max")) // 2)
    one, found = shown(page), pixels(page, 3).astype(int)
    above = one.maps["sml"] >= np.float32(threshold)
    alarm, hit, miss = (
        found[mask].mean(axis=0)
        for mask in ((one.label == 0) & above, (one.label == 1) & above, (one.label == 1) & ~above)
    )
    grey = found[(one.label == 0) & ~above]
    assert alarm[0] > alarm[2] + 80 and hit[1] > hit[0] + 50 and miss[0] > miss[1] + 30
    assert (grey.max(axis=1) - grey.min(axis=1)).max() <= 1


def test_arrow_keys_change_the_image(page: Chromium) -> None:
    ids = page.run("[...document.querySelectorAll('#list .id')].map(e => e.textContent)")
    assert ids[-1] == "nothing" and set(ids) == set(MADE)
    for key, place in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        page.press(key, ARROWS[key])
        page.wait(f"document.querySelector('#place').textContent.includes(' image {place + 1} of 4')")
        one = shown(page)
        assert text(page, "#place").startswith(ids[place])
        assert pixels(page, 0).shape == (*one.label.shape, 3)
        threshold = float(text(page, "#threshold-value"))
        method = ("msp", "sml")[int(page.run("document.querySelector('#method').value"))]
        found, _, anomalies, _ = exact({"": one}, method, threshold)
        assert text(page, "#image-tpr") == percent(found, anomalies)
    # On a slider, arrows move the threshold and not the image.
    page.run("document.querySelector('#threshold').focus()")
    before, position = text(page, "#place"), page.run("document.querySelector('#threshold').value")
    page.press("ArrowRight", ARROWS["ArrowRight"])
    settle(page)
    assert text(page, "#place") == before and page.run("document.querySelector('#threshold').value") != position


def test_images_are_sorted_by_how_badly_each_does(page: Chromium) -> None:
    for metric, method, falling in (("auroc", 0, False), ("fpr95", 1, True), ("ap", 1, False)):
        choose(page, "#method", str(method))
        choose(page, "#sort", metric)
        values = page.run("[...document.querySelectorAll('#list .value')].map(e => e.textContent)")
        assert values.pop() == "no anomaly"
        numbers = [float(value) for value in values]
        assert numbers == sorted(numbers, reverse=falling) and len(set(numbers)) == 3
    page.click("#direction")
    values = page.run("[...document.querySelectorAll('#list .value')].map(e => e.textContent)")
    assert [float(value) for value in values[:3]] == sorted(numbers, reverse=True) and values[3] == "no anomaly"
    choose(page, "#sort", "")
    assert page.run("[...document.querySelectorAll('#list .id')].map(e => e.textContent)") == list(MADE)


def test_methods_are_hidden_and_chosen(page: Chromium) -> None:
    curves = "document.querySelectorAll('#roc .curve').length"
    assert page.run(curves) == 2
    page.click("#curves .chip")
    settle(page)
    assert page.run(curves) == 1
    assert page.run("document.querySelectorAll('#panels [data-kind=method]:not([hidden])').length") == 1
    assert page.run("[...document.querySelectorAll('.chip')].map(e => e.ariaPressed)") == ["false", "true"] * 2
    page.click("#images .chip")
    settle(page)
    assert page.run(curves) == 2
    page.click("#panels [data-kind=method]:nth-child(3) canvas")
    settle(page)
    assert page.run("document.querySelector('#method').value") == "0"
    assert text(page, ".panel.chosen .name") == "MSP"


def test_the_operating_point_lies_on_the_curve(page: Chromium) -> None:
    choose(page, "#method", "0")
    threshold = move(page, 60)
    found, alarms, anomalies, inliers = exact(MADE, "msp", threshold)
    x, y = page.run("(dot => [dot.cx.baseVal.value, dot.cy.baseVal.value])(document.querySelector('#roc .dot.chosen'))")
    left, right, top, bottom = page.run(
        "(lines => { const x = lines.map(l => l.x1.baseVal.value), y = lines.map(l => l.y1.baseVal.value);"
        "return [Math.min(...x), Math.max(...x), Math.min(...y), Math.max(...y)]; })"
        "([...document.querySelectorAll('#roc .grid')])"
    )
    assert (x - left) / (right - left) == pytest.approx(alarms / inliers, abs=1e-3)
    assert (bottom - y) / (bottom - top) == pytest.approx(found / anomalies, abs=1e-3)


def test_names_are_text_and_nothing_is_fetched(page: Chromium) -> None:
    assert NASTY in page.run("[...document.querySelectorAll('#list .id')].map(e => e.textContent)")
    assert page.run("document.querySelectorAll('b').length") == 0
    assert page.complaints() == []
    assert {address.split(":")[0] for address in page.requests()} <= {"file", "data", "about"}


@pytest.mark.parametrize("width", [1280, 400])
def test_it_can_be_seen(page: Chromium, width: int) -> None:
    page.resize(width, 900)
    page.run("document.querySelector('#panels').scrollIntoView()")
    settle(page)
    seen: Any = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    assert seen.shape == (900, width, 3)
    assert len(np.unique(seen.reshape(-1, 3), axis=0)) > 1000
    # Nothing sticks out of a narrow window.
    assert page.run("document.documentElement.scrollWidth") <= width


def test_datasets_take_turns(chromium: Chromium, tmp_path: Path, results: Results) -> None:
    wide, other = {"wide": make(1, (40, 160))}, {"other": make(2)}
    del other["other"].maps["msp"]
    with PageStore(tmp_path) as store:
        curves = fill(store, ROAD_ANOMALY, wide) | fill(store, "second", other)
        # Of this one there are curves and no images.
        curves["third", "msp"] = curves[ROAD_ANOMALY, "msp"]
        chromium.open(write_page(store, results, curves, tmp_path))
    choose(chromium, "#images .dataset", "1")
    chromium.wait("document.querySelector('#place').textContent.startsWith('other')")
    assert text(chromium, "#curves .legend") == text(chromium, "#images .legend") == "SML"
    assert chromium.run("document.querySelectorAll('#panels figure').length") == 3
    found, _, anomalies, _ = exact(other, "sml", float(text(chromium, "#threshold-value")))
    chromium.wait(f"document.querySelector('#image-tpr').textContent === {percent(found, anomalies)!r}")
    choose(chromium, "#curves .dataset", "2")
    assert "no image" in text(chromium, "#place") and chromium.run("document.querySelector('#panels').hidden")
    assert chromium.run("document.querySelectorAll('#roc .curve').length") == 1
    choose(chromium, "#curves .dataset", "0")
    chromium.wait("document.querySelector('#place').textContent.startsWith('wide')")
    assert chromium.run("document.querySelector('#panels canvas').width") == 160
    assert chromium.complaints() == []


def test_closed_set_alone_needs_no_images(chromium: Chromium, tmp_path: Path, results: Results) -> None:
    record = results.datasets[1].model_copy(update={"task": "closed_set"})
    with PageStore(tmp_path) as store:
        path = write_page(store, results.model_copy(update={"rows": [], "datasets": [record]}), {}, tmp_path)
    chromium.open(path)
    assert chromium.complaints() == []
    assert chromium.run("document.querySelectorAll('canvas, svg, select').length") == 0
