"""Which array of a file is meant where it holds several."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.score_maps.files import read_score_map
from tests.anomaly_eval.score_maps.map_files import LABEL, SIZE, VALUES, read, refused, write_hdf5


def test_it_must_be_clear_which_array_is_meant(tmp_path):
    np.savez(tmp_path / "two.npz", a=VALUES, b=VALUES)
    np.savez(tmp_path / "none.npz")
    refused(tmp_path / "two.npz", "a, b", "none called score", "as in --score-maps FOLDER:a (or b)")
    refused(tmp_path / "none.npz", "no array")
    write_hdf5(tmp_path / "two.h5", a=VALUES, b=VALUES)
    refused(tmp_path / "two.h5", "a, b", "value", "as in --score-maps FOLDER:a (or b)")


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_a_key_names_the_array_that_is_meant(tmp_path, suffix):
    path = tmp_path / f"0.{suffix}"
    usual = {"npz": "score", "h5": "value"}[suffix]
    arrays = {usual: -VALUES, "msp": VALUES, "image": np.zeros((*SIZE, 3), np.uint8)}
    if suffix == "npz":
        np.savez(path, **arrays)
    else:
        write_hdf5(path, **arrays)
    np.testing.assert_array_equal(read(path), -VALUES)
    np.testing.assert_array_equal(read_score_map(path, LABEL, SIZE, "msp").values, VALUES)
    with pytest.raises(InputError, match=r"no array called energy; name one that it holds, as in --score-maps FOLDER:"):
        read_score_map(path, LABEL, SIZE, "energy")
    with pytest.raises(InputError, match=rf"5x7x3; .*, or, as that is its array image, name another.*{usual}"):
        read_score_map(path, LABEL, SIZE, "image")


def test_the_usual_array_of_another_shape_is_not_the_only_one(tmp_path):
    np.savez(tmp_path / "0.npz", np.zeros((*SIZE, 3)), VALUES)
    refused(tmp_path / "0.npz", "5x7x3", "as that is its array arr_0, name another, as in --score-maps FOLDER:arr_1.")
    np.testing.assert_array_equal(read_score_map(tmp_path / "0.npz", LABEL, SIZE, "arr_1").values, VALUES)


def test_hdf5_arrays_in_groups_have_keys_with_slashes(tmp_path):
    write_hdf5(tmp_path / "0.h5", **{"scores/msp": VALUES, "scores/energy": -VALUES})
    refused(tmp_path / "0.h5", "as in --score-maps FOLDER:scores/energy (or scores/msp)")
    np.testing.assert_array_equal(read_score_map(tmp_path / "0.h5", LABEL, SIZE, "scores/msp").values, VALUES)


def test_files_of_one_array_have_no_keys(tmp_path):
    np.save(tmp_path / "0.npy", VALUES)
    with pytest.raises(InputError, match=r"0\.npy cannot be read: \.npy files hold one array, .* leave :msp out"):
        read_score_map(tmp_path / "0.npy", LABEL, SIZE, "msp")
