"""Closed-set evaluation against mmsegmentation's own test: its pipeline, its inference, its IoUMetric."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from mmcv.transforms import Compose
from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs
from mmseg.evaluation import IoUMetric
from mmseg.registry import TRANSFORMS
from PIL import Image
from rich.console import Console

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.datasets.samples import find_samples
from anomaly_eval.errors import InputError
from anomaly_eval.evaluation.anomaly import AnomalyEvaluation
from anomaly_eval.evaluation.closed_set import ClosedSetEvaluation, check_same_classes
from anomaly_eval.evaluation.image_loop import Passes
from anomaly_eval.runtime.clock import Clock
from anomaly_eval.score_maps.source import NetworkScores
from anomaly_eval.segmenters.input_size import InputSize
from anomaly_eval.segmenters.load import load_segmenter
from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import TRAINING_CARD, assert_refused, nothing_left, read, rows

QUIET = Console(quiet=True)
FIVE = {"inlier": '["0-4"], void: [255]', "ade": '[], class_ids: {"1-5": "0-4"}, void: [0]'}


def write_card(folder, protocol=None, labels=FIVE["inlier"], **replaced):
    card = TRAINING_CARD.replace('["0-4"], void: [255]', labels).replace("size: [96, 64]\n", "")
    card = card.replace("{images: 3}", "{}")
    for old, new in replaced.items():
        card = card.replace({"classes": "sky, building, road, vegetation, car"}.get(old, old), new)
    (folder / "training.yaml").write_text(card + (f"protocol: {protocol}\n" if protocol else ""))
    return folder / "training.yaml"


def draw_set(root, sizes, labels="inlier"):
    """Smooth images, and labels of large patches with some void."""
    rng = np.random.default_rng(0)
    first, void = (1, 0) if labels == "ade" else (0, 255)
    for kind in ("images", "labels_masks"):
        (root / "training" / kind).mkdir(parents=True)
    for index, (width, height) in enumerate(sizes):
        coarse = rng.integers(0, 256, (height // 9, width // 9, 3), dtype=np.uint8)
        image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        classes = rng.integers(first, first + 5, (height // 12, width // 12), dtype=np.uint8)
        mask = cv2.resize(classes, (width, height), interpolation=cv2.INTER_NEAREST)
        mask[rng.random(mask.shape) < 0.1] = void
        Image.fromarray(image).save(root / f"training/images/{index}.png")
        Image.fromarray(mask).save(root / f"training/labels_masks/{index}.png")


def metrics_of_mmseg(network, root, scale=None, reduce_zero_label=False):
    """mIoU, mAcc and aAcc as mmsegmentation's test loop gives them, and the areas that its metric summed."""
    resize = [TRANSFORMS.build(dict(type="Resize", scale=scale, keep_ratio=True))] if scale else []
    pipeline = Compose(
        [
            TRANSFORMS.build(dict(type="LoadImageFromFile")),
            *resize,
            LoadAnnotations(reduce_zero_label=reduce_zero_label),
            PackSegInputs(),
        ]
    )
    metric = IoUMetric(ignore_index=255, iou_metrics=["mIoU"])
    metric.dataset_meta = dict(classes=networks.CLASSES)
    count = 0
    for image in sorted((root / "training/images").iterdir()):
        mask = root / "training/labels_masks" / image.name
        info = dict(img_path=str(image), seg_map_path=str(mask), seg_fields=[], reduce_zero_label=reduce_zero_label)
        packed = pipeline(info)
        batch = {"inputs": [packed["inputs"]], "data_samples": [packed["data_samples"]]}
        metric.process(batch, [sample.to_dict() for sample in network.test_step(batch)])
        count += 1
    areas = [sum(found).numpy() for found in zip(*metric.results, strict=True)]
    return metric.evaluate(count), areas


WHOLE, WINDOWS = dict(mode="whole"), dict(mode="slide", crop_size=(48, 64), stride=(32, 40))
NATIVE, SHORT = [(96, 64), (140, 90), (64, 100)], [(96, 64), (141, 91), (300, 60), (60, 301)]
SLIDE_CARD, SHORT_CARD = "{slide: {crop: [48, 64], stride: [32, 40]}}", "{short_side: 48, long_side_at_most: 192}"


@pytest.mark.parametrize(
    ("model", "own", "tested", "card", "sizes", "scale", "labels"),
    [
        (networks.CGNET, WHOLE, WHOLE, "{}", NATIVE, None, "inlier"),
        (networks.CGNET, WINDOWS, WHOLE, "{}", NATIVE, None, "inlier"),
        (networks.CGNET, WHOLE, WINDOWS, SLIDE_CARD, NATIVE, None, "inlier"),
        (networks.CGNET, WINDOWS, WINDOWS, None, NATIVE, None, "inlier"),
        (networks.CGNET, WINDOWS, WHOLE, SHORT_CARD, SHORT, (192, 48), "ade"),
        (networks.cascade(), WHOLE, WINDOWS, SLIDE_CARD, NATIVE, None, "inlier"),
        (networks.cascade(), WHOLE, WHOLE, SHORT_CARD, SHORT, (192, 48), "ade"),
        (networks.padded(networks.cascade()), WHOLE, WHOLE, SHORT_CARD, SHORT, (192, 48), "inlier"),
    ],
    ids=["whole", "not its windows", "windows", "its own", "short side", "aligned windows", "aligned", "padded"],
)
def test_equals_mmsegmentations_test(tmp_path, model, own, tested, card, sizes, scale, labels):
    """The protocol of the card counts, whatever the network's own settings are; without one, the network's."""
    draw_set(tmp_path, sizes, labels)
    network = networks.build(networks.with_test_settings(model, **tested))
    path = networks.save(tmp_path / "net.pth", networks.with_test_settings(model, **own), network)
    samples = find_samples(*load_card(str(write_card(tmp_path, card, FIVE[labels]))), tmp_path)
    evaluation = ClosedSetEvaluation(load_segmenter(path, device="cpu"), samples, Clock())
    Passes(QUIET, Clock()).first(samples, "a pass", [evaluation.first])
    found = evaluation.findings()
    expected, areas = metrics_of_mmseg(network, tmp_path, scale, reduce_zero_label=labels == "ade")
    label_pixels = np.array([row.n_label_pixels for row in found.classes])
    np.testing.assert_array_equal(label_pixels, areas[3])
    # A logit that ties with another to the last digit may fall either way.
    predicted = np.array([row.n_predicted_pixels for row in found.classes])
    np.testing.assert_allclose(predicted, areas[2], atol=3)
    right = np.array([row.metrics["acc"] for row in found.classes]) / 100 * label_pixels
    np.testing.assert_allclose(right, areas[0], atol=3)
    assert len(set(predicted.nonzero()[0])) > 1
    for name, value in zip(("mIoU", "mAcc", "aAcc"), found.row.metrics.values(), strict=True):
        assert value == pytest.approx(expected[name], abs=0.03)
    assert found.row.n_pixels == areas[3].sum()
    assert (found.row.n_images, found.row.n_classes) == (len(sizes), 5)
    assert found.record.n_void_pixels == sum(width * height for width, height in sizes) - areas[3].sum()
    assert found.record.n_images_without_anomaly is None


def test_resizing_once_would_be_another_number(tmp_path):
    """Logits pass through the size of the network's input, as mmsegmentation's do; else the counts above differ."""
    draw_set(tmp_path, [(141, 91)])
    segmenter = load_segmenter(networks.save(tmp_path / "net.pth", networks.CGNET), device="cpu")
    image = np.asarray(Image.open(tmp_path / "training/images/0.png"))
    protocol = load_card(str(write_card(tmp_path, "{short_side: 48}")))[0].protocol
    twice = segmenter.with_protocol(protocol)
    once = load_segmenter(tmp_path / "net.pth", device="cpu", input_size=InputSize(short_side=48))
    assert twice(image).logits.values.shape == (5, 48, 74)
    assert (twice(image).logits.resized() - once(image).logits.resized()).abs().max() > 0.01
    assert twice.provides == {"logits"} and twice(image).features is None
    assert segmenter.provides == {"logits", "features", "classifier"} and segmenter(image).features is not None


def test_closed_set_alone_needs_no_statistics_and_writes_no_ranking(tmp_path, evaluate):
    code, output, errors = evaluate(dataset=str(tmp_path / "training.yaml"))
    assert code == 0, errors
    assert "statistics" not in errors
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *["closed_set.csv", "closed_set.tex", "closed_set_classes.csv", "results.json", "results.md"]
    ]
    results = read(tmp_path)
    (row,) = rows(tmp_path / "out", "closed_set.csv")
    assert list(row) == ["dataset", "miou", "macc", "aacc", "n_images", "n_pixels", "n_classes", "protocol"]
    assert (row["dataset"], row["n_images"], row["protocol"]) == ("training", "3", "network: whole; native")
    assert float(row["miou"]) == results.closed_set[0].metrics["miou"]
    classes = rows(tmp_path / "out", "closed_set_classes.csv")
    assert [found["name"] for found in classes] == list(networks.CLASSES)
    assert [float(found["iou"]) for found in classes] == [found.metrics["iou"] for found in results.closed_set_classes]
    assert float(row["miou"]) == pytest.approx(np.mean([float(found["iou"]) for found in classes]), abs=1e-9)
    assert results.rows == []
    assert results.datasets[0].task == "closed_set"
    text = (tmp_path / "out/results.md").read_text()
    assert "mIoU ↑" in text and "AUROC" not in text
    assert "| vegetation |" in text and "vegetation" in output


def test_anomalies_and_classes_in_one_run(tmp_path, evaluate):
    training = str(tmp_path / "training.yaml")
    code, output, errors = evaluate("--dataset", training, "--scores", "msp", "--heatmaps", "1")
    assert code == 0, errors
    mixed = read(tmp_path)
    assert [row["method"] for row in rows(tmp_path / "out")] == ["msp"]
    assert [record.name for record in mixed.datasets] == ["road_anomaly", "training"]
    for text in ((tmp_path / "out/results.md").read_text(), output):
        assert "AUROC" in text and "mIoU" in text
    assert "Training" not in (tmp_path / "out/results.tex").read_text()
    assert "Road Anomaly" not in (tmp_path / "out/closed_set.tex").read_text()
    ranked, classes = (tmp_path / "out/results.md").read_text().split("mIoU ↑")[:2]
    assert "4 images found instead of 60" in ranked and "4 images found instead of 60" not in classes
    assert evaluate(dataset=training, out=str(tmp_path / "alone"))[0] == 0
    assert (tmp_path / "alone/closed_set.csv").read_bytes() == (tmp_path / "out/closed_set.csv").read_bytes()
    assert evaluate("--scores", "msp", out=str(tmp_path / "ranked"))[0] == 0
    assert (tmp_path / "ranked/results.csv").read_bytes() == (tmp_path / "out/results.csv").read_bytes()
    assert evaluate("--overwrite", dataset=training)[0] == 0
    assert not (tmp_path / "out/results.csv").exists()


@pytest.mark.parametrize(
    ("card", "arguments", "protocol"),
    [
        (SLIDE_CARD, [], "card: slide, crop (48, 64), stride (32, 40); native"),
        (SLIDE_CARD, ["--protocol", "card", "--resize", "0.5x"], "card, with --resize: slide, crop (48, 64), stride"),
        (SHORT_CARD, [], "card: whole; short side 48, long side at most 192"),
        (SHORT_CARD, ["--resize", "40x50"], "card, with --resize: whole; 40x50"),
        (SHORT_CARD, ["--protocol", "network"], "network: whole; native"),
        (SHORT_CARD, ["--protocol", "network", "--resize", "32"], "network, with --resize: whole; short side 32"),
        (None, [], "network: whole; native"),
        ("{}", [], "card: whole; native"),
    ],
)
def test_the_protocol_is_named_wherever_its_numbers_are(tmp_path, evaluate, card, arguments, protocol):
    code, _, errors = evaluate(*arguments, dataset=str(write_card(tmp_path, card)))
    assert code == 0, errors
    assert read(tmp_path).closed_set[0].protocol.startswith(protocol)
    for name in ("closed_set.csv", "closed_set.tex", "results.md"):
        assert protocol in (tmp_path / "out" / name).read_text()


def test_anomaly_datasets_keep_the_networks_own_settings(tmp_path, evaluate):
    card = str(write_card(tmp_path, SHORT_CARD))
    assert evaluate("--scores", "msp", "--dataset", card, "--protocol", "card")[0] == 0
    assert evaluate("--scores", "msp", out=str(tmp_path / "alone"))[0] == 0
    assert (tmp_path / "alone/results.csv").read_bytes() == (tmp_path / "out/results.csv").read_bytes()
    model = read(tmp_path).provenance.model
    assert (model.inference, model.resize) == ("whole", "native")


def test_published_rows_of_the_same_datasets(tmp_path, evaluate):
    card = write_card(tmp_path)
    card.write_text(card.read_text().replace("name: training", "name: ade20k\nfolders: [training]"))
    code, output, errors = evaluate("--with-published", dataset=str(card))
    assert code == 0, errors
    for text in (output, (tmp_path / "out/results.md").read_text(), (tmp_path / "out/closed_set.tex").read_text()):
        assert "GMMSeg-SegFormer" in text and "50.60" in text and "Table 1" in text
    assert evaluate("--with-published", dataset=str(tmp_path / "training.yaml"), out=str(tmp_path / "other"))[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scores", "msp"], ["--scores", "closed-set"]),
        (["--fit-dataset", "training.yaml"], ["--fit-dataset", "closed-set"]),
        (["--stats", "some.safetensors"], ["--stats", "closed-set"]),
        (["--sml-without", "smoothing"], ["--sml-without", "closed-set"]),
        (["--heatmaps", "all"], ["--heatmaps", "closed-set"]),
    ],
)
def test_options_about_anomalies_need_an_anomaly_dataset(tmp_path, evaluate, arguments, words):
    assert_refused(evaluate(*arguments, dataset=str(tmp_path / "training.yaml")), *words)
    assert nothing_left(tmp_path)


def test_a_protocol_needs_a_closed_set_dataset(tmp_path, evaluate):
    assert_refused(evaluate("--protocol", "network"), "--protocol", "closed-set")
    assert nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ("Sky, BUILDING, road , vegetation, wagon", "class 4 is 'wagon' in the dataset and 'car' in the network"),
        ("sky, road, building, vegetation, car", "class 1 is 'road' in the dataset and 'building' in the network"),
        ("sky, building, vegetation, car, road, bus", "6 classes, the network 5 (class 2 is 'vegetation'"),
        ("sky, building, road, vegetation, car, bus", "6 classes, the network 5; "),
    ],
)
def test_other_classes_are_told_before_the_network_runs(tmp_path, evaluate, classes, words):
    card = write_card(tmp_path, classes=classes)
    assert_refused(evaluate(dataset=str(card)), "training", words)
    assert nothing_left(tmp_path)


def test_case_spaces_and_underscores_make_no_other_class(tmp_path, evaluate):
    code, _, errors = evaluate(dataset=str(write_card(tmp_path, classes="SKY, 'building ', Road, vegetation, car")))
    assert code == 0, errors


def test_without_names_only_the_number_of_classes_is_compared(tmp_path, evaluate):
    path = networks.save(tmp_path / "unnamed.pth", networks.CGNET, dataset_meta={})
    card = write_card(tmp_path, classes="a, b, c, d, e")
    code, _, errors = evaluate(dataset=str(card), ckpt=str(path))
    assert code == 0, errors
    fewer = write_card(tmp_path, classes="a, b, c, d", labels='["0-3"], void: [255]')
    assert_refused(evaluate(dataset=str(fewer), ckpt=str(path), out=str(tmp_path / "o")), "4 classes, the network 5;")


def test_label_values_outside_the_classes(tmp_path, data, evaluate):
    path = data / "training/labels_masks/1.png"
    Image.fromarray(np.full((64, 96), 5, np.uint8)).save(path)
    assert_refused(evaluate(dataset=str(tmp_path / "training.yaml")), str(path), "the value 5")
    assert nothing_left(tmp_path)


def test_labels_that_are_all_void(tmp_path, data, evaluate):
    for path in (data / "training/labels_masks").iterdir():
        Image.fromarray(np.full((64, 96), 255, np.uint8)).save(path)
    assert_refused(evaluate(dataset=str(tmp_path / "training.yaml")), "no pixel of any class", "labels_masks")
    assert nothing_left(tmp_path)


def test_an_empty_set(tmp_path, data, evaluate):
    for kind in ("images", "labels_masks"):
        for path in (data / "training" / kind).iterdir():
            path.unlink()
    assert_refused(evaluate(dataset=str(tmp_path / "training.yaml")), "nothing of training", "--data-root")
    assert nothing_left(tmp_path)


def test_nan_logits(tmp_path, data, evaluate):
    network = networks.build(networks.CGNET)
    network.decode_head.conv_seg.bias.data[0] = float("nan")
    path = networks.save(tmp_path / "nan.pth", networks.CGNET, network)
    assert_refused(evaluate(dataset=str(tmp_path / "training.yaml"), ckpt=str(path)), "NaN", "images/0.png")
    assert nothing_left(tmp_path)


def test_each_task_refuses_the_other_ones_datasets(tmp_path, data, checkpoint):
    segmenter = load_segmenter(checkpoint, device="cpu")
    closed = find_samples(*load_card(str(tmp_path / "training.yaml")), data)
    anomalies = find_samples(*load_card("road_anomaly"), data)
    with pytest.raises(InputError, match=r"training is a closed-set dataset .* --fit-dataset"):
        AnomalyEvaluation(NetworkScores(segmenter, []), closed, Clock())
    with pytest.raises(InputError, match="road_anomaly is an anomaly dataset"):
        ClosedSetEvaluation(segmenter, anomalies, Clock())
    with pytest.raises(InputError, match="road_anomaly is an anomaly dataset"):
        check_same_classes(anomalies, segmenter)


def test_an_incomplete_variant_is_marked(tmp_path, evaluate):
    card = tmp_path / "training.yaml"
    card.write_text(card.read_text().replace("{train: {images: 3}}", "{train: {images: 9}, dev: {images: 3}}"))
    code, output, errors = evaluate(dataset=str(card))
    assert code == 0, errors
    assert "3 images found instead of 9" in errors
    assert "Training scenes†" in output and "3 of 9 images" in output
    assert "3 of 9 images" in (tmp_path / "out/closed_set.tex").read_text()
