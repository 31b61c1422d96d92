"""Templates find the right files, and nothing else."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_eval.datasets.layouts import (
    fill_template,
    find_files,
    id_levels,
    natural_key,
    pair_files,
    parse_template,
)
from anomaly_eval.errors import InputError
from tests.anomaly_eval.datasets.drawn_files import touch


def found(root: Path, template: str, folder: str = "set", variant: str = "val") -> dict[str, list[str]]:
    files = find_files(root, template, folder, variant)
    return {id: [path.relative_to(root).as_posix() for path in paths] for id, paths in files.items()}


def test_final_suffix_is_exactly_one(tmp_path: Path) -> None:
    touch(tmp_path, "set/images/a.png", "set/images/b.c.jpg", "set/images/none")
    assert found(tmp_path, "{folder}/images/{id}.*") == {
        "a": ["set/images/a.png"],
        "b.c": ["set/images/b.c.jpg"],
    }


def test_suffix_after_fixed_text_holds_no_further_dot(tmp_path: Path) -> None:
    touch(tmp_path, "set/a_rgb.png", "set/a_rgb.old.png", "set/a_rgb_color.png")
    assert found(tmp_path, "{folder}/{id}_rgb.*") == {"a": ["set/a_rgb.png"]}


def test_number_is_digits_and_not_captured(tmp_path: Path) -> None:
    touch(tmp_path, "set/0000_04_Weg_8_000000_000030_labels.png", "set/x_04_Weg_8_labels.png")
    files = found(tmp_path, "{folder}/{number}_{id}_labels.png")
    assert list(files) == ["04_Weg_8_000000_000030"]


def test_id_pattern_restricts(tmp_path: Path) -> None:
    touch(tmp_path, "set/validation_1.webp", "set/driveway_1.webp")
    assert list(found(tmp_path, "{folder}/{id:validation*}.*")) == ["validation_1"]


def test_id_in_a_folder_name(tmp_path: Path) -> None:
    touch(tmp_path, "set/a.labels/labels.png", "set/b.labels/other.png", "set/c.labels")
    assert found(tmp_path, "{folder}/{id}.labels/labels.png") == {"a": ["set/a.labels/labels.png"]}


def test_an_id_may_span_folders(tmp_path: Path) -> None:
    touch(tmp_path, "set/t5/1.png", "set/t6/1.png", "set/t6/a/2.png", "set/3.png", "set/x5/4.png", "set/.t5/5.png")
    assert found(tmp_path, "{folder}/{id:t*/*}.*") == {"t5/1": ["set/t5/1.png"], "t6/1": ["set/t6/1.png"]}
    assert list(found(tmp_path, "{folder}/{id:*/*/*}.png")) == ["t6/a/2"]


@given(st.sets(st.lists(st.sampled_from(["a", "b1", "b10", "t5"]), min_size=1, max_size=3).map(tuple), max_size=12))
def test_ids_are_the_paths_that_fit_level_by_level(tree: set[tuple[str, ...]]) -> None:
    with TemporaryDirectory() as folder:
        touch(Path(folder), *("/".join(levels) + ".png" for levels in tree))
        for pattern in ("*", "b*", "*/*", "b*/t?", "a/*/b1*"):
            wanted = pattern.split("/")
            expected = {
                "/".join(levels)
                for levels in tree
                if len(levels) == len(wanted) and all(map(fnmatchcase, levels, wanted))
            }
            assert set(find_files(Path(folder), f"{{id:{pattern}}}.png", "set", "val")) == expected


def test_what_stands_around_such_an_id_is_no_part_of_it(tmp_path: Path) -> None:
    touch(tmp_path, "set/town_5/v1_rgb.png", "set/town_5/v1_mask.png", "set/5/v1_rgb.png")
    assert found(tmp_path, "{folder}/town_{id:*/v*}_rgb.*") == {"5/v1": ["set/town_5/v1_rgb.png"]}
    touch(tmp_path, "deep/a/b.labels/labels.png")
    assert found(tmp_path, "deep/{id:*/*}.labels/labels.png") == {"a/b": ["deep/a/b.labels/labels.png"]}


def test_ids_that_span_folders_sort_naturally_and_pair(tmp_path: Path) -> None:
    names = ("t10/1", "t5/10", "t5/9", "t6/1")
    touch(tmp_path, *(f"i/{name}.jpg" for name in names), *(f"m/{name}.png" for name in names), "m/t7/1.png")
    pairing = pair_files(tmp_path, ["i/{id:*/*}.*"], ["m/{id:*/*}.*"], "set", "val", exclude=["t6/*"])
    assert pairing.pairs == ["t5/9", "t5/10", "t10/1"]
    assert (pairing.images_alone, pairing.masks_alone) == ([], ["t7/1"])


def test_only_and_exclude_choose_ids(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{kind}/{id}.png" for kind in "im" for id in ("a1", "a2", "b1", "[x]")))
    chosen = pair_files(tmp_path, ["i/{id}.*"], ["m/{id}.*"], "set", "val", exclude=["*2"], only=["a*", "b1"])
    assert chosen.pairs == ["a1", "b1"]
    assert pair_files(tmp_path, ["i/{id}.*"], ["m/{id}.*"], "set", "val", only=["[x]"]).pairs == ["[x]"]


def test_star_stays_inside_one_level(tmp_path: Path) -> None:
    touch(tmp_path, "set/x/a.png", "set/x/y/b.png", "set/c.png")
    assert list(found(tmp_path, "{folder}/*/{id}.png")) == ["a"]


def test_star_may_match_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "set/a_.png", "set/a_1.png")
    assert found(tmp_path, "{folder}/{id}_*.png") == {"a": ["set/a_.png", "set/a_1.png"]}


def test_variant_and_folder_are_filled_in(tmp_path: Path) -> None:
    touch(tmp_path, "deep/set/valannot/a.png", "deep/set/testannot/b.png")
    assert list(found(tmp_path, "{folder}/{variant}annot/{id}.*", folder="deep/set")) == ["a"]


def test_only_visible_files_count(tmp_path: Path) -> None:
    touch(tmp_path, "set/.a.png", "set/._b.png", "set/Thumbs.db", "set/.hidden/c.png")
    (tmp_path / "set" / "d.png").mkdir()
    assert found(tmp_path, "{folder}/{id}.*") == {}
    assert found(tmp_path, "{folder}/*/{id}.*") == {}


def test_special_characters_in_names_are_literal(tmp_path: Path) -> None:
    touch(tmp_path, "set/im[1]+/a.png", "set/im1/b.png")
    assert list(found(tmp_path, "{folder}/im[1]+/{id}.*")) == ["a"]
    assert list(found(tmp_path, "{folder}/im[1]+*/{id}.*")) == ["a"]


def test_missing_folders_give_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "set")
    assert found(tmp_path, "{folder}/images/{id}.*") == {}
    assert found(tmp_path, "other/{id}.*") == {}


def test_loops_of_links_end(tmp_path: Path) -> None:
    touch(tmp_path, "set/a.png")
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set")
    assert found(tmp_path, "{folder}/*/*/*/{id}.png") == {"a": ["set/loop/loop/loop/a.png"]}
    assert list(found(tmp_path, "{folder}/{id}.png")) == ["a"]


def test_what_only_has_the_name_of_a_file_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "set/a.png")
    (tmp_path / "set" / "self.png").symlink_to(tmp_path / "set" / "self.png")
    with pytest.raises(InputError, match=r"set/self\.png is a pipe, a device, or a link that leads nowhere"):
        found(tmp_path, "{folder}/{id}.png")
    assert list(found(tmp_path, "{folder}/{id:a*}.png")) == ["a"]


def test_wildcards_in_a_level_are_limited() -> None:
    parse_template("{folder}/*/{number}_{id}_*.png")
    with pytest.raises(ValueError, match=r"more than 3 wildcards in a name"):
        parse_template("{folder}/*_{number}_{id}_*.png")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_unreadable_folder_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "set/a.png")
    (tmp_path / "set").chmod(0)
    try:
        with pytest.raises(InputError, match="set cannot be read"):
            found(tmp_path, "{folder}/{id}.png")
    finally:
        (tmp_path / "set").chmod(0o700)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("/data/{id}.png", "relative"),
        ("C:/data/{id}.png", "relative"),
        ("data\\{id}.png", "relative"),
        ("../{id}.png", "relative"),
        ("a/./{id}.png", "relative"),
        ("a//{id}.png", "relative"),
        ("a/{id}.png/", "relative"),
        ("a/b.png", "exactly once"),
        ("{id}/{id}.png", "exactly once"),
        ("{folders}/{id}.png", "{folders}"),
        ("{folder}/{id}}.png", "'}'"),
        ("{number:3}_{id}.png", "{number:3}"),
        ("{folder}/{id:../*}.png", "not . or .."),
        ("{folder}/{id:*/..}/x.png", "not . or .."),
        ("{folder}/{id:/etc/*}.png", "patterns of names"),
        ("{folder}/{id:*//*}.png", "relative"),
        ("{folder}/{id:*/}.png", "patterns of names"),
        ("{folder}/{id:}.png", "patterns of names"),
        ("{folder}/{id:**/*}.png", "write one level of the path for each folder"),
        ("{folder}/{id:*/*}/{id}.png", "exactly once"),
        ("{folder}/" + "*/" * 8 + "{id}.png", "more than 8 levels"),
        ("{folder}/{id:" + "*/" * 8 + "*}.png", "more than 8 levels"),
    ],
)
def test_wrong_templates_are_refused(template: str, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_template(template)
    assert words in str(caught.value)


def test_fill_template() -> None:
    assert fill_template("{folder}/{variant}/{number}_{id:v*}.*", "set", "val", "v1") == "set/val/*_v1.*"
    assert fill_template("{folder}/{id:*/*}_x.*", "set", "val", "t5/1") == "set/t5/1_x.*"
    assert fill_template("{folder}/{id:t*/*}_x.*", "set", "val") == "set/t*/*_x.*"


@pytest.mark.parametrize(
    ("template", "levels"), [("{folder}/*/{id}.*", 1), ("{folder}/{id:{variant}_*}.*", 1), ("*/{id:a*/*/b}/x.png", 3)]
)
def test_levels_of_ids(template: str, levels: int) -> None:
    parse_template(template)
    assert id_levels(template) == levels


def test_ids_sort_naturally() -> None:
    assert sorted(["12", "b", "4", "0", "a10", "a9"], key=natural_key) == ["0", "4", "12", "a9", "a10", "b"]


@given(st.lists(st.text()))
def test_natural_order_is_total(texts: list[str]) -> None:
    ordered = sorted(texts, key=natural_key)
    assert ordered == sorted(reversed(texts), key=natural_key)


def test_pairing_keeps_what_has_no_partner(tmp_path: Path) -> None:
    touch(tmp_path, "set/i/10.jpg", "set/i/9.jpg", "set/i/1.jpg", "set/m/10.png", "set/m/9.png", "set/m/2.png")
    pairing = pair_files(tmp_path, ["{folder}/i/{id}.*"], ["{folder}/m/{id}.*"], "set", "val")
    assert pairing.pairs == ["9", "10"]
    assert pairing.images_alone == ["1"]
    assert pairing.masks_alone == ["2"]
    assert pairing.duplicates == ()


def test_two_files_with_one_id(tmp_path: Path) -> None:
    touch(tmp_path, "set/i/1.jpg", "set/i/1.png", "set/m/1.png", "old/m/1.png", "set/i/2.jpg", "set/i/2.png")
    masks = ["{folder}/m/{id}.*", "old/m/{id}.*"]
    pairing = pair_files(tmp_path, ["{folder}/i/{id}.*"], masks, "set", "val")
    assert pairing.duplicates == (
        (tmp_path / "set/i/1.jpg", tmp_path / "set/i/1.png"),
        (tmp_path / "set/m/1.png", tmp_path / "old/m/1.png"),
    )


def test_one_file_under_two_names_is_no_duplicate(tmp_path: Path) -> None:
    touch(tmp_path, "set/i/1.jpg", "set/m/1.png")
    (tmp_path / "SET").symlink_to(tmp_path / "set")
    pairing = pair_files(tmp_path, ["{folder}/i/{id}.*", "SET/i/{id}.*"], ["{folder}/m/{id}.*"], "set", "val")
    assert pairing.pairs == ["1"]
    assert pairing.duplicates == ()


def test_excluded_ids(tmp_path: Path) -> None:
    touch(tmp_path, "set/i/1.jpg", "set/i/19.jpg", "set/m/1.png", "set/m/19.png")
    pairing = pair_files(tmp_path, ["{folder}/i/{id}.*"], ["{folder}/m/{id}.*"], "set", "val", exclude=["1[0-9]"])
    assert list(pairing.images) == list(pairing.masks) == ["1"]


@pytest.mark.parametrize(
    ("images", "masks", "names"),
    [
        ("{folder}/{id}.png", "{folder}/{id}_mask.png", ("a.png", "a_mask.png", "b.png", "b_mask.png")),
        ("{folder}/{id}_rgb.*", "{folder}/{id}.*", ("a_rgb.png", "a.png", "b_rgb.png", "b.png")),
        ("{folder}/{id}.jpg", "{folder}/gt_{id}.jpg", ("a.jpg", "gt_a.jpg", "b.JPG", "gt_b.JPG")),
        ("{folder}/*{id:?}.png", "{folder}/m_*{id:?}.png", ("a.png", "m_a.png", "b.png", "m_b.png")),
    ],
)
def test_images_and_masks_may_lie_in_one_folder(
    tmp_path: Path, images: str, masks: str, names: tuple[str, ...]
) -> None:
    touch(tmp_path, *(f"set/{name}" for name in names))
    pairing = pair_files(tmp_path, [images], [masks], "set", "val")
    found = [pairing.images[id].name for id in pairing.pairs], [pairing.masks[id].name for id in pairing.pairs]
    assert sorted(found[0] + found[1]) == sorted(names)
    assert (pairing.images_alone, pairing.masks_alone) == ([], [])
    (tmp_path / "set" / "c.png").touch()
    alone = pair_files(tmp_path, [images], [masks], "set", "val")
    assert len(alone.images_alone) + len(alone.masks_alone) == (0 if "jpg" in images else 1)
