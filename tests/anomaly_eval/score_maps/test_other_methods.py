"""Score maps of other methods, as a user meets them: from a folder of files to tables."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from anomaly_eval.cli.main import main
from tests.anomaly_eval.commands import SIZE, assert_refused, nothing_left, read, rows


def labels(data) -> np.ndarray:
    folder = data / "road_anomaly" / "labels_masks"
    return np.stack([np.asarray(Image.open(folder / f"{index}.png")) == 2 for index in range(4)])


def test_numbers_are_those_of_scikit_learn(tmp_path, data, maps, from_maps):
    code, output, errors = from_maps(str(maps))
    assert code == 0, errors
    scores = np.stack([np.load(maps / f"{index}.npy") for index in range(4)]).ravel()
    (row,) = rows(tmp_path / "out")
    assert row["method"] == "other_method"
    assert float(row["auroc"]) == pytest.approx(100 * roc_auc_score(labels(data).ravel(), scores), abs=1e-9)
    assert float(row["ap"]) == pytest.approx(100 * average_precision_score(labels(data).ravel(), scores), abs=1e-9)
    results = read(tmp_path)
    (folder,) = results.provenance.model.folders
    assert (folder.suffixes, folder.precision, folder.model) == ([".npy"], "float32", None)
    assert results.conventions.class_maps.startswith("not known")
    assert "Score maps of other_method: 4 files in other_method" in output
    assert "Class maps: not known" in output


def test_double_precision_is_ranked_as_it_is(tmp_path, data, maps, from_maps):
    """Probabilities close to 1 differ in float64 alone."""
    rng = np.random.default_rng(0)
    for index, anomaly in enumerate(labels(data)):
        values = 1 - 1e-12 * rng.random(anomaly.shape)
        values[anomaly] += 1e-12
        np.save(maps / f"{index}.npy", np.minimum(values, 1) if index else values.astype(np.float32))
    code, _, errors = from_maps(str(maps), "--bootstrap", "20", "--per-image", "--components", "obstacle", "--page")
    assert code == 0, errors
    scores = np.stack([np.load(maps / f"{index}.npy") for index in range(4)]).ravel()
    (row,) = rows(tmp_path / "out")
    assert float(row["auroc"]) == pytest.approx(100 * roc_auc_score(labels(data).ravel(), scores), abs=1e-9)
    assert 60 < float(row["auroc"]) < 100
    assert read(tmp_path).provenance.model.folders[0].precision == "float32, float64"


def test_several_folders_are_compared_and_named(tmp_path, maps, evaluate, from_maps):
    saved = tmp_path / "saved"
    assert evaluate("--scores", "msp", "energy", "--save-scores", out=str(saved))[0] == 0
    code, _, errors = from_maps(str(saved), str(maps), "--bootstrap", "20")
    assert code == 0, errors
    assert [row["method"] for row in rows(tmp_path / "out")] == ["msp", "energy", "other_method"]
    assert len(read(tmp_path).differences) == 9
    code, output, errors = from_maps(str(saved), str(maps), "--names", "Mine", "Theirs", out="named")
    assert code == 0, errors
    assert [row["method"] for row in rows(tmp_path / "named")] == ["Mine/msp", "Mine/energy", "Theirs"]
    assert "Mine: MSP" in output and "Theirs" in output
    assert [row["auroc"] for row in rows(tmp_path / "named")] == [row["auroc"] for row in rows(tmp_path / "out")]


def test_runs_on_networks_and_on_maps_go_into_one_report(tmp_path, maps, evaluate, from_maps, capsys):
    network, other = tmp_path / "network", tmp_path / "out"
    assert evaluate("--scores", "msp", out=str(network))[0] == 0
    assert from_maps(str(maps))[0] == 0
    for first, second in ((network, other), (other, network)):
        assert main(["report", str(first), str(second), "--out", str(tmp_path / f"report_{first.name}")]) == 0
        output = capsys.readouterr().out
        assert "resized bilinearly" in output and "out: Score maps of other_method" in output
        assert "network: Checkpoint" in output
    with (tmp_path / "report_network" / "results.csv").open() as file:
        assert [row["run"] for row in csv.DictReader(file)] == ["network", "out"]


def test_keys_tell_the_arrays_of_one_folder_apart(tmp_path, data, maps, from_maps):
    both = tmp_path / "both"
    both.mkdir()
    for index in range(4):
        values = np.load(maps / f"{index}.npy")
        np.savez(both / f"{index}_scores.npz", msp=values, energy=-values)
    assert_refused(from_maps(str(both)), "0_scores.npz", "msp, energy", "--score-maps FOLDER:msp (or energy)")
    code, _, errors = from_maps(f"{both}:msp", f"{both}:energy", str(maps))
    assert code == 0, errors
    msp, energy, same = rows(tmp_path / "out")
    assert (msp["method"], energy["method"], same["method"]) == ("both/msp", "both/energy", "other_method")
    assert msp["auroc"] == same["auroc"] != energy["auroc"]
    folders = read(tmp_path).provenance.model.folders
    assert [Path(one.folder).name for one in folders] == ["both:msp", "both:energy", "other_method"]
    assert folders[0].maps_sha256 != folders[1].maps_sha256
    code, _, errors = from_maps(f"{both}:msp", "--names", "Mine", out="named")
    assert (code, rows(tmp_path / "named")[0]["method"]) == (0, "Mine")
    assert_refused(from_maps(f"{both}:nothing", out="bad"), "no array called nothing", "FOLDER:msp (or energy)")
    assert_refused(from_maps(f"{maps}:msp", out="bad"), "0.npy", "leave :msp out")
    assert_refused(from_maps(f"{tmp_path}/nowhere:msp", out="bad"), "nowhere:msp does not exist")
    assert_refused(from_maps(f"{both}:", out="bad"), "does not exist")
    # A folder may be called so.
    both.rename(tmp_path / "both:msp")
    assert_refused(from_maps(f"{both}:msp", out="bad"), "msp, energy")
    assert from_maps(f"{both}:msp:energy", out="colon")[0] == 0


def test_keys_with_colons_are_no_emoji(tmp_path, data, maps, from_maps):
    folder = tmp_path / "both"
    folder.mkdir()
    for index in range(4):
        values = np.load(maps / f"{index}.npy")
        np.savez(folder / f"{index}.npz", **{"a:b": values, "car:c": -values})
    assert_refused(from_maps(str(folder), out="bad"), "--score-maps FOLDER:a:b (or car:c)")
    code, output, _ = from_maps(f"{folder}:a:b", f"{folder}:car:c")
    assert code == 0 and "both: a:b" in output and "both: car:c" in output


def test_overwriting_spares_the_maps_of_a_key(tmp_path, maps, from_maps):
    maps.rename(tmp_path / "out")
    assert_refused(
        from_maps(f"{tmp_path / 'out'}:msp", "--overwrite"), f"would delete {tmp_path / 'out'}, which this run reads"
    )
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_saved_maps_have_no_keys(tmp_path, evaluate, from_maps):
    saved = tmp_path / "saved"
    assert evaluate("--scores", "msp", "--save-scores", out=str(saved))[0] == 0
    assert_refused(from_maps(f"{saved}:msp"), str(saved), "leave :msp out")


def test_png_files_are_ranked_and_stretched_ones_warned_about(tmp_path, data, maps, from_maps):
    scores = np.stack([np.load(maps / f"{index}.npy") for index in range(4)])
    levels = np.clip(scores * 8000 + 30000, 1, 65534).astype(np.uint16)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(4):
        Image.fromarray(levels[index]).save(pictures / f"{index}.png")
    assert from_maps(str(pictures))[0] == 0
    assert not any("stretched" in warning for warning in read(tmp_path).warnings)
    expected = 100 * roc_auc_score(labels(data).ravel(), levels.ravel())
    assert float(rows(tmp_path / "out")[0]["auroc"]) == pytest.approx(expected, abs=1e-9)
    for index, one in enumerate(scores):
        grey = np.rint(255 * (one - one.min()) / np.ptp(one)).astype(np.uint8)
        Image.fromarray(grey).save(pictures / f"{index}.png")
    assert from_maps(str(pictures), "--overwrite")[0] == 0
    assert any("as where each image is stretched by itself" in warning for warning in read(tmp_path).warnings)


def test_several_datasets_need_a_folder_each(tmp_path, data, maps, from_maps):
    masks = data / "smiyc_road_anomaly21" / "labels_masks"
    masks.mkdir(parents=True)
    (data / "smiyc_road_anomaly21" / "images").symlink_to(data / "road_anomaly" / "images")
    for index, anomaly in enumerate(labels(data)):
        Image.fromarray(anomaly.astype(np.uint8)).save(masks / f"{index}.png")
    words = [str(maps), "--dataset", "smiyc_road_anomaly21"]
    assert_refused(from_maps(*words), str(maps), "no folder road_anomaly", "several datasets")
    for name in ("road_anomaly", "smiyc_road_anomaly21"):
        (maps / name).mkdir()
        for index in range(4):
            (maps / name / f"{index}.npy").write_bytes((maps / f"{index}.npy").read_bytes())
    code, _, errors = from_maps(*words)
    assert code == 0, errors
    first, second = rows(tmp_path / "out")
    assert (first["dataset"], second["dataset"]) == ("road_anomaly", "smiyc_road_anomaly21")
    assert first["auroc"] == second["auroc"]


def test_surplus_files_are_warned_about(tmp_path, maps, from_maps):
    np.save(maps / "17.npy", np.zeros(3))
    code, _, errors = from_maps(str(maps))
    assert code == 0
    assert "1 score map that fits no image left out" in errors and "17.npy" in errors
    assert any("17.npy" in warning for warning in read(tmp_path).warnings)


def test_bad_maps_are_refused(tmp_path, maps, from_maps):
    (maps / "2.npy").rename(maps / "two.npy")
    assert_refused(from_maps(str(maps)), str(maps), "1 of the 4 images of road_anomaly: 2", "two.npy")
    np.save(maps / "2.npy", np.zeros((SIZE[1], SIZE[0] - 1), np.float32))
    assert_refused(from_maps(str(maps)), "2.npy", "95x64", "96x64", "labels_masks/2.png")
    np.save(maps / "2.npy", np.full((SIZE[1], SIZE[0]), np.nan, np.float32))
    assert_refused(from_maps(str(maps)), "2.npy", "NaN")
    np.save(maps / "2.npy", np.full((SIZE[1], SIZE[0]), {}))
    assert_refused(from_maps(str(maps)), "2.npy", "pickle")
    assert nothing_left(tmp_path)


def test_bad_folders_and_names_are_refused(tmp_path, maps, from_maps):
    assert_refused(from_maps(str(tmp_path / "nowhere")), "nowhere", "does not exist")
    assert_refused(from_maps(str(maps / "2.npy")), "2.npy", "is a file")
    (tmp_path / "empty").mkdir()
    assert_refused(from_maps(str(tmp_path / "empty")), "empty", "any of the 4 images", ".npy")
    assert_refused(from_maps(str(maps), str(maps)), "both have a method called 'other_method'", "--names")
    assert_refused(from_maps(str(maps), "--names", "a", "b"), "2 names for 1 of --score-maps")
    assert_refused(from_maps(str(maps), "--names", " "), "no name")
    assert_refused(from_maps(str(maps), "--names", "../x"), "no name", "without /")
    # Tables write the score msp as MSP.
    shutil.copytree(maps, tmp_path / "third")
    assert_refused(from_maps(str(maps), str(tmp_path / "third"), "--names", "msp", "MSP"), "a method called 'MSP'")
    assert nothing_left(tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        ("--scores", "msp"),
        ("--fit-dataset", "cityscapes"),
        ("--stats", "some.safetensors"),
        ("--sml-without", "smoothing"),
        ("--protocol", "network"),
        ("--resize", "0.5x"),
        ("--config", "some.py"),
        ("--device", "cpu"),
        ("--window-batch", "2"),
        ("--save-scores",),
    ],
)
def test_options_of_networks_are_refused(tmp_path, maps, from_maps, words):
    assert_refused(from_maps(str(maps), *words), words[0], "about a network")
    assert nothing_left(tmp_path)


def test_either_a_network_or_maps(tmp_path, data, maps, evaluate, capsys):
    assert_refused(evaluate("--score-maps", str(maps)), "--ckpt and --score-maps exclude each other")
    assert_refused(evaluate("--names", "a"), "several networks, or the methods of --score-maps", "for a single network")
    code = main(["eval", "--dataset", "road_anomaly", "--data-root", str(data), "--out", str(tmp_path / "out")])
    assert_refused((code, *capsys.readouterr()), "nothing to evaluate", "--ckpt", "--score-maps")
    assert nothing_left(tmp_path)


def test_closed_sets_need_a_network(tmp_path, maps, evaluate, from_maps):
    card = str(tmp_path / "training.yaml")
    assert_refused(from_maps(str(maps), dataset=card), "closed-set", "--ckpt")
    assert_refused(from_maps(str(maps), "--dataset", card), "closed-set", "evaluate them with --ckpt")
    assert_refused(evaluate("--save-scores", dataset=card), "--save-scores", "closed-set")
    assert nothing_left(tmp_path)
