"""Which file belongs to which image."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_eval.datasets.cards import load_card
from anomaly_eval.datasets.samples import Sample, SampleSet
from anomaly_eval.errors import InputError
from anomaly_eval.runtime.file_names import file_names
from anomaly_eval.score_maps.matching import list_maps, match
from tests.anomaly_eval.datasets.drawn_files import touch


def samples_of(*names: tuple[str, str, str]) -> SampleSet:
    card, variant = load_card("road_anomaly")
    samples = tuple(Sample(id, Path("images") / image, Path("labels") / label, b"") for id, image, label in names)
    return SampleSet(card, variant, "flat", samples)


THREE = samples_of(("a", "a.png", "a.png"), ("b", "b.png", "b.png"), ("c.d", "c.d.png", "c.d.png"))
RELEASED = samples_of(
    ("02_a", "02_a_leftImg8bit.png", "0001_02_a_labels.png"), ("04 b", "04 b_leftImg8bit.png", "0002_04 b_labels.png")
)


def matched(samples: SampleSet, folder: Path) -> dict[str, str]:
    found = match(samples, folder, list_maps(folder))
    return {id: path.relative_to(folder).as_posix() for id, path in found.files.items()}


@pytest.mark.parametrize("suffix", ["npy", "NPZ", "tif", "TIFF", "h5", "hdf5"])
def test_files_are_called_like_ids(tmp_path, suffix):
    touch(tmp_path, f"a.{suffix}", f"b.{suffix}", f"c.d.{suffix}", "readme.txt", ".hidden.npy", ".cache/a.npy")
    assert matched(THREE, tmp_path) == {"a": f"a.{suffix}", "b": f"b.{suffix}", "c.d": f"c.d.{suffix}"}


@pytest.mark.parametrize(
    "names",
    [
        ("02_a.npy", "04 b.npy"),
        ("02_a.npy", "04_b.npy"),
        ("city/02_a_leftImg8bit.npy", "town/04 b_leftImg8bit.npy"),
        ("0001_02_a_labels.npy", "0002_04 b_labels.npy"),
    ],
)
def test_files_may_be_called_as_images_and_labels_are_released(tmp_path, names):
    assert list(matched(RELEASED, touch(tmp_path, *names)).values()) == list(names)


def test_a_name_that_all_labels_share_stands_for_none(tmp_path):
    samples = samples_of(("a", "a.jpg", "labels_semantic.png"), ("b", "b.jpg", "labels_semantic.png"))
    touch(tmp_path, "a.npy", "b.npy", "labels_semantic.npy")
    assert match(samples, tmp_path, list_maps(tmp_path)).surplus == ["labels_semantic.npy"]


def test_ids_come_before_names_of_images(tmp_path):
    samples = samples_of(("a", "b.png", "1.png"), ("b", "a.png", "2.png"))
    assert matched(samples, touch(tmp_path, "a.npy", "b.npy")) == {"a": "a.npy", "b": "b.npy"}


def test_missing_files_are_named_and_so_are_those_that_fit_nothing(tmp_path):
    touch(tmp_path, "a.npy", "b_score.npy", "c_score.npy")
    with pytest.raises(InputError) as error:
        matched(THREE, tmp_path)
    for words in (str(tmp_path), "2 of the 3 images of road_anomaly: b, c.d", "b_score.npy, c_score.npy", ".hdf5"):
        assert words in str(error.value)


def test_long_lists_are_cut(tmp_path):
    many = samples_of(*((str(i), f"{i}.png", f"{i}.png") for i in range(40)))
    with pytest.raises(
        InputError, match=r"any of the 40 images of road_anomaly: 0, 1, 2, 3, 4 and 35 more; there must"
    ):
        matched(many, tmp_path)


def test_two_files_for_one_image_are_refused(tmp_path):
    touch(tmp_path, "a.npy", "b.npy", "c.d.npy", "deeper/b.tif")
    with pytest.raises(InputError, match=r"b.npy and .*deeper/b.tif are both called like the image b"):
        matched(THREE, tmp_path)


@pytest.mark.parametrize(
    "form",
    ["score_{}_msp", "{}_pred", "msp-{}", "{}.png", "frame{}", "{} (1)", "exp1/{}_msp", "score_{}.jpg_anomaly", "7_{}"],
)
def test_a_beginning_and_an_end_that_all_share_are_found(tmp_path, form):
    samples = samples_of(*((str(i), f"{i}.jpg", f"{i}.png") for i in range(13)))
    expected = {str(i): f"{form.format(i)}.npy" for i in range(13)}
    touch(tmp_path, *expected.values(), "readme.npy")
    assert matched(samples, tmp_path) == expected


@pytest.mark.parametrize(
    "names", [("x_02_a_leftImg8bit", "x_04 b_leftImg8bit"), ("0001_02_a_labels_e", "0002_04 b_labels_e")]
)
def test_names_of_images_and_labels_may_have_them_too(tmp_path, names):
    assert list(matched(RELEASED, touch(tmp_path, *(f"{name}.npz" for name in names))).values()) == [
        f"{name}.npz" for name in names
    ]


def test_two_that_fit_are_named_and_not_chosen_from(tmp_path):
    touch(tmp_path, *(f"{name}_{end}.npy" for name in ("a", "b", "c.d") for end in ("msp", "energy")))
    with pytest.raises(
        InputError,
        match=r"has 2 score maps for each image of road_anomaly, called \*_energy, \*_msp; give the folder of",
    ):
        matched(THREE, tmp_path)
    # As it says.
    for name in ("a", "b", "c.d"):
        (tmp_path / "msp").mkdir(exist_ok=True)
        (tmp_path / f"{name}_msp.npy").rename(tmp_path / "msp" / f"{name}_msp.npy")
    assert matched(THREE, tmp_path / "msp") == {name: f"{name}_msp.npy" for name in ("a", "b", "c.d")}


def test_numbers_are_not_parts_of_numbers_nor_words_of_words(tmp_path):
    samples = samples_of(("1", "1.jpg", "1.png"), ("11", "11.jpg", "11.png"))
    touch(tmp_path, "01.npy", "011.npy")
    with pytest.raises(InputError, match="any of the 2 images of road_anomaly: 1, 11; 2 files are there"):
        matched(samples, tmp_path)
    with pytest.raises(InputError, match="any of the 3 images"):
        matched(THREE, touch(tmp_path, "xa.npy", "xb.npy", "xc.d.npy"))


def test_the_image_that_lacks_a_file_is_named_and_not_those_whose_names_are_longer(tmp_path):
    touch(tmp_path, "s_a.npy", "s_c.d.npy", "other.npy")
    with pytest.raises(InputError, match=r"1 of the 3 images of road_anomaly: b; 1 file is there .*: other.npy;"):
        matched(THREE, tmp_path)
    with pytest.raises(InputError, match=r"s_a.npy and .*x/s_a.tif are both called like the image a"):
        matched(THREE, touch(tmp_path, "s_b.npy", "x/s_a.tif"))


def test_pictures_beside_maps_are_none(tmp_path):
    names = ("a", "b", "c.d")
    touch(tmp_path, *(f"{name}.PNG" for name in names))
    assert matched(THREE, tmp_path) == {name: f"{name}.PNG" for name in names}
    touch(tmp_path, *(f"{name}.npy" for name in names))
    assert matched(THREE, tmp_path) == {name: f"{name}.npy" for name in names}


TOWNS = samples_of(
    *((f"t{town}/{number}", f"{number}.png", f"{number}.png") for town in (5, 6) for number in range(1, 12))
)


@pytest.mark.parametrize(
    "form",
    ["{0}/{1}", "{0}_{1}", "exp/msp/{0}/{1}", "{0}/{1}_msp", "{0}/score_{1}", "x/{0}/score-{1}_e", "score_{0}_{1}_msp"],
)
def test_maps_of_ids_that_span_folders_lie_in_folders_or_flat(tmp_path, form):
    expected = {sample.id: f"{form.format(*sample.id.split('/'))}.npy" for sample in TOWNS.samples}
    touch(tmp_path, *expected.values(), "readme.npy")
    assert matched(TOWNS, tmp_path) == expected


def test_maps_may_repeat_the_tree_and_the_names_of_the_release(tmp_path):
    samples = samples_of(
        *((f"t{town}/0", "0_leftImg8bit.png", f"{town}_0_labels.png") for town in (5, 6)),
    )
    expected = {"t5/0": "out/t5/0_leftImg8bit.npy", "t6/0": "out/t6/0_leftImg8bit.npy"}
    assert matched(samples, touch(tmp_path, *expected.values())) == expected


def test_a_map_in_the_folder_of_others_is_not_taken_for_one_of_the_same_name(tmp_path):
    samples = samples_of(("t5/1", "1.png", "1.png"), ("t6/2", "2.png", "2.png"))
    assert matched(samples, touch(tmp_path / "flat", "1.npy", "2.npy")) == {"t5/1": "1.npy", "t6/2": "2.npy"}
    touch(tmp_path / "swapped", "t6/1.npy", "t5/2.npy")
    with pytest.raises(InputError, match=r"2 files are there without an image: t5/2\.npy, t6/1\.npy"):
        matched(samples, tmp_path / "swapped")


def test_two_methods_beside_each_other_in_folders_are_named(tmp_path):
    names = [f"{sample.id}_{method}.npy" for sample in TOWNS.samples for method in ("msp", "energy")]
    with pytest.raises(InputError, match=r"called \*_energy, \*_msp; give the folder of"):
        matched(TOWNS, touch(tmp_path, *names))
    twice = [f"{method}/{sample.id}.npy" for sample in TOWNS.samples for method in ("msp", "energy")]
    with pytest.raises(InputError, match="are both called like the image t5/1 of"):
        matched(TOWNS, touch(tmp_path / "twice", *twice))


NAMES = st.text("ab1_-. ", min_size=1, max_size=4).filter(lambda name: name.strip(" .") == name)
TREES = st.lists(st.lists(NAMES, min_size=2, max_size=2), min_size=1, max_size=6, unique_by=tuple)


@given(TREES, st.sampled_from(["", "deep/er/"]))
def test_every_map_called_like_an_id_is_found_whatever_the_names(tree, above):
    ids = ["/".join(levels) for levels in tree]
    samples = samples_of(*((id, f"{id}.png", f"{id}.png") for id in ids))
    expected = {id: Path("maps") / f"{above}{id}.npy" for id in ids}
    found = match(samples, Path("maps"), sorted(expected.values()))
    assert (found.files, found.surplus) == (expected, [])


@given(TREES)
def test_maps_are_found_under_the_names_that_they_are_saved_by(tree):
    ids = ["/".join(levels) for levels in tree]
    # Images are called by numbers, so that only what was made of the ids can fit.
    samples = samples_of(*((id, f"{number}x", f"{number}y") for number, id in enumerate(ids)))
    expected = {id: Path("maps") / f"{name}.tif" for id, name in file_names(ids).items()}
    found = match(samples, Path("maps"), sorted(expected.values()))
    assert (found.files, found.surplus) == (expected, [])
