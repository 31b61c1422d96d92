"""From a network through files to the same numbers, to the bit."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from anomaly_eval.errors import InputError
from anomaly_eval.score_maps.saving import rounded_to_float16
from tests.anomaly_eval import networks
from tests.anomaly_eval.commands import SIZE, assert_refused, nothing_left, read, rows

TABLES = ("results.csv", "curves.csv", "histograms.csv")
MORE = ("--bootstrap", "50", "--per-image", "--components", "obstacle")


def test_saved_scores_give_the_same_numbers(tmp_path, evaluate, from_maps):
    saved = tmp_path / "saved"
    code, _, errors = evaluate("--scores", "msp", "max_logit", "--save-scores", *MORE, out=str(saved))
    assert code == 0, errors
    code, output, errors = from_maps(str(saved), *MORE)
    assert code == 0, errors
    for name in (*TABLES, "intervals.csv", "differences.csv", "per_image.csv", "components.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (saved / name).read_bytes(), name
    results = read(tmp_path)
    (folder,) = results.provenance.model.folders
    assert (folder.folder, folder.methods, folder.n_files) == (str(saved), ["msp", "max_logit"], 8)
    assert (folder.suffixes, folder.precision) == ([".tif"], "float32")
    assert folder.model.checkpoint.endswith("net.pth")
    assert results.timing.forward == 0
    assert results.conventions.class_maps.startswith("resized bilinearly")
    assert "Score maps of MSP, Max logit: 8 files in saved" in output and "net.pth" in output
    # The results folder of the maps holds no copy of them.
    assert not (tmp_path / "out" / "scores").exists()


def test_the_index_names_every_file(tmp_path, evaluate):
    assert evaluate("--scores", "msp", "energy", "--save-scores", "float32")[0] == 0
    folder = tmp_path / "out" / "scores"
    index = json.loads((folder / "index.json").read_text())
    assert (index["precision"], index["direction"]) == ("float32", "a higher score means more anomalous")
    assert index["model"]["checkpoint_sha256"]
    assert index["files_sha256"]["road_anomaly"] == read(tmp_path).datasets[0].files_sha256
    maps = index["maps"]["road_anomaly"]
    assert list(maps) == ["msp", "energy"] and all(list(files) == ["0", "1", "2", "3"] for files in maps.values())
    named = {one["file"]: one for files in maps.values() for one in files.values()}
    assert named.keys() == {path.relative_to(folder).as_posix() for path in folder.rglob("*.tif")}
    for file, one in named.items():
        content = (folder / file).read_bytes()
        assert one["sha256"] == hashlib.sha256(content).hexdigest()
        with Image.open(folder / file) as image:
            assert list(np.asarray(image).shape) == one["shape"] == [SIZE[1], SIZE[0]]
            assert np.asarray(image).dtype == one["dtype"]


def test_pictures_and_pages_are_drawn_of_score_maps(tmp_path, evaluate, from_maps):
    saved = tmp_path / "saved"
    drawn = ["--heatmaps", "all", "--page", "--figures"]
    assert evaluate("--scores", "msp", "--save-scores", *drawn, out=str(saved))[0] == 0
    code, _, errors = from_maps(str(saved / "scores"), *drawn)
    assert code == 0, errors
    heatmaps = sorted((tmp_path / "out" / "heatmaps").rglob("*.png"))
    assert len(heatmaps) == 4
    for path in heatmaps:
        assert path.read_bytes() == (saved / path.relative_to(tmp_path / "out")).read_bytes()
    page = (tmp_path / "out" / "index.html").read_text()
    assert "score maps in scores on Road Anomaly" in page and "score maps from files" in page
    assert (tmp_path / "out" / "figures").is_dir()


def test_fitted_scores_keep_what_they_were_fitted_on(tmp_path, evaluate, from_maps):
    saved, card = tmp_path / "saved", str(tmp_path / "training.yaml")
    words = ["--scores", "msp", "sml", "mahalanobis", "--fit-dataset", card, "--save-scores"]
    assert evaluate(*words, out=str(saved))[0] == 0
    code, output, errors = from_maps(str(saved))
    assert code == 0, errors
    assert rows(tmp_path / "out") == rows(saved)
    assert set(read(tmp_path).provenance.fits) == {"sml", "mahalanobis"}
    assert "fitted on training" in output


def test_float16_is_said_to_be_lossy(tmp_path, evaluate, from_maps):
    saved = tmp_path / "saved"
    assert evaluate("--scores", "max_logit", "--save-scores", "float16", out=str(saved))[0] == 0
    assert json.loads((saved / "scores" / "index.json").read_text())["precision"] == "float16"
    code, output, _ = from_maps(str(saved))
    assert code == 0
    assert "scores rounded to float16" in " ".join(output.split())
    assert read(tmp_path).provenance.model.folders[0].precision == "float16"
    (found,), (exact,) = rows(tmp_path / "out"), rows(saved)
    assert found != exact
    assert float(found["auroc"]) == pytest.approx(float(exact["auroc"]), abs=0.5)


def test_float16_refuses_what_it_cannot_hold():
    values = np.float32([[1, 65504, np.inf, -np.inf, 1e-9, -0.0]])
    np.testing.assert_array_equal(rounded_to_float16(values, "it"), np.float32([[1, 65504, np.inf, -np.inf, 0, -0.0]]))
    with pytest.raises(
        InputError, match="the score x goes to -70000, and float16 ends at 65504; give --save-scores float32"
    ):
        rounded_to_float16(np.float32([[0, -70_000]]), "the score x")


def test_a_score_beyond_float16_ends_the_run(tmp_path, evaluate):
    network = networks.build(networks.CGNET)
    network.decode_head.conv_seg.bias.data[1] = 1e6
    path = networks.save(tmp_path / "large.pth", networks.CGNET, network)
    words = ["--scores", "msp", "max_logit", "--save-scores", "float16"]
    assert_refused(evaluate(*words, ckpt=str(path)), "max_logit", "images/0.png", "float16 ends at 65504")
    assert nothing_left(tmp_path)


def test_a_run_that_fails_leaves_no_score_maps(tmp_path, data, evaluate):
    Image.fromarray(np.zeros((10, 12), np.uint8)).save(data / "road_anomaly" / "labels_masks" / "2.png")
    assert_refused(evaluate("--scores", "msp", "--save-scores"), "labels_masks/2.png")
    assert nothing_left(tmp_path)


def test_score_maps_are_replaced_with_the_results(tmp_path, evaluate):
    assert evaluate("--scores", "msp", "--save-scores")[0] == 0
    assert_refused(evaluate("--scores", "msp"), "--overwrite")
    assert evaluate("--scores", "msp", "--overwrite")[0] == 0
    assert not (tmp_path / "out" / "scores").exists()


def test_a_file_that_was_touched_is_refused(tmp_path, evaluate, from_maps):
    saved = tmp_path / "saved"
    assert evaluate("--scores", "msp", "--save-scores", out=str(saved))[0] == 0
    path = saved / "scores" / "road_anomaly" / "msp" / "2.tif"
    Image.fromarray(np.zeros((SIZE[1], SIZE[0]), np.float32)).save(path)
    assert_refused(from_maps(str(saved)), str(path), "is not the one that was saved")
    path.unlink()
    assert_refused(from_maps(str(saved)), str(path), "no file")
    assert nothing_left(tmp_path)


def test_an_index_that_leads_elsewhere_or_is_damaged_is_refused(tmp_path, evaluate, from_maps):
    saved = tmp_path / "saved"
    assert evaluate("--scores", "msp", "--save-scores", out=str(saved))[0] == 0
    path = saved / "scores" / "index.json"
    text = path.read_text()
    path.write_text(text.replace("road_anomaly/msp/2.tif", "../../secret.tif"))
    assert_refused(from_maps(str(saved)), str(path), "outside its folder")
    path.write_text(text.replace('"format_version": 1', '"format_version": 7'))
    assert_refused(from_maps(str(saved)), str(path), "format_version")
    path.write_text(text[:-100])
    assert_refused(from_maps(str(saved)), str(path), "damaged")


def test_fewer_and_other_images_are_noticed(tmp_path, data, evaluate, from_maps):
    saved = tmp_path / "saved"
    assert evaluate("--scores", "msp", "--save-scores", out=str(saved))[0] == 0
    for kind in ("images", "labels_masks"):
        (data / "road_anomaly" / kind / "3.png").rename(data / "road_anomaly" / kind / "9.png")
    assert_refused(from_maps(str(saved)), "1 of the 4 images of road_anomaly: 9", "1 file is there without an image: 3")
    for kind in ("images", "labels_masks"):
        (data / "road_anomaly" / kind / "9.png").unlink()
    code, _, errors = from_maps(str(saved))
    assert code == 0
    assert "1 score map that fits no image left out" in errors and ": 3" in errors
    assert any("not those that the score maps" in warning for warning in read(tmp_path).warnings)


@pytest.mark.parametrize("earlier", [False, True])
def test_images_that_were_stored_anew_are_the_same(tmp_path, data, evaluate, from_maps, earlier):
    saved = tmp_path / "saved"
    assert evaluate("--scores", "msp", "--save-scores", out=str(saved))[0] == 0
    index = saved / "scores" / "index.json"
    if earlier:
        index.write_text(json.dumps({**json.loads(index.read_text()), "pixels_sha256": {}}))
    for path in (data / "road_anomaly").glob("*/*.png"):
        Image.open(path).save(path, compress_level=1)
    assert from_maps(str(saved))[0] == 0
    assert any("not those that the score maps" in warning for warning in read(tmp_path).warnings) == earlier
    first = next((data / "road_anomaly" / "images").iterdir())
    Image.fromarray(255 - np.asarray(Image.open(first))).save(first)
    assert from_maps(str(saved), "--overwrite")[0] == 0
    assert any("not those that the score maps" in warning for warning in read(tmp_path).warnings)


def test_other_datasets_than_those_saved_are_refused(tmp_path, data, evaluate, from_maps):
    saved = tmp_path / "saved"
    assert evaluate("--scores", "msp", "--save-scores", out=str(saved))[0] == 0
    (data / "road_anomaly").rename(data / "smiyc_road_anomaly21")
    for mask in (data / "smiyc_road_anomaly21" / "labels_masks").iterdir():
        Image.fromarray((np.asarray(Image.open(mask)) > 0).astype(np.uint8)).save(mask)
    result = from_maps(str(saved), dataset="smiyc_road_anomaly21")
    assert_refused(result, "holds score maps of road_anomaly, none of smiyc_road_anomaly21")


def test_results_cannot_overwrite_the_maps_they_are_of(tmp_path, evaluate, from_maps):
    saved = tmp_path / "saved"
    assert evaluate("--scores", "msp", "--save-scores", out=str(saved))[0] == 0
    assert_refused(
        from_maps(str(saved), "--overwrite", out="saved"), "--overwrite would delete", "saved, which this run reads"
    )
    assert (saved / "scores" / "index.json").is_file()
