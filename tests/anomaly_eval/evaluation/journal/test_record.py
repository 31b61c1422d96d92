"""A record gives back the very bits, or says that it is of no use; nothing in between."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors.numpy import save

from anomaly_eval.evaluation.journal.record import RecordOf, UnusableRecordError, decode_record, encode_record

OF = RecordOf(run="a" * 64, dataset="road_anomaly", id="7", image_sha256="b" * 64, label_sha256="c" * 64)
KINDS = st.sampled_from([np.float32, np.float64, np.int64, np.uint8])
ARRAYS = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
    KINDS.flatmap(lambda kind: arrays_of.arrays(kind, arrays_of.array_shapes(max_dims=3, max_side=5))),
    min_size=1,
    max_size=3,
)
SMALL = {"msp": np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4), "counts": np.arange(4).reshape(2, 2)}


def same(found, arrays):
    return found.keys() == arrays.keys() and all(
        found[name].dtype == values.dtype
        and found[name].shape == values.shape
        and found[name].tobytes() == values.tobytes()
        for name, values in arrays.items()
    )


@given(ARRAYS)
def test_every_bit_comes_back(arrays):
    assert same(decode_record(encode_record(OF, arrays), OF), arrays)


def test_infinities_nan_and_signed_zeros_come_back():
    values = np.array([np.inf, -np.inf, np.nan, -0.0, 1e-45], np.float32)
    assert same(decode_record(encode_record(OF, {"x": values}), OF), {"x": values})


def test_no_byte_can_change_unseen():
    content = encode_record(OF, SMALL)
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises(UnusableRecordError, match="is damaged"):
            decode_record(bytes(changed), OF)


@given(st.integers(0, len(encode_record(OF, SMALL)) - 1))
def test_a_cut_record_is_found_wherever_it_ends(length):
    with pytest.raises(UnusableRecordError, match="is damaged"):
        decode_record(encode_record(OF, SMALL)[:length], OF)


@given(st.binary(max_size=200))
def test_other_content_is_no_record(content):
    with pytest.raises(UnusableRecordError, match="is damaged"):
        decode_record(content, OF)


@pytest.mark.parametrize("body", [b"", save(SMALL), b"{}\n" + save(SMALL), OF.model_dump_json().encode() + b"\nx"])
def test_a_checksum_alone_makes_no_record(body):
    with pytest.raises(UnusableRecordError, match="is damaged"):
        decode_record(body, OF)
    with pytest.raises(UnusableRecordError, match="is damaged"):
        decode_record(hashlib.sha256(body).digest() + body, OF)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("run", "another image or run"),
        ("dataset", "another image or run"),
        ("id", "another image or run"),
        ("image_sha256", "other image or label files"),
        ("label_sha256", "other image or label files"),
    ],
)
def test_a_record_of_something_else_is_told(field, reason):
    content = encode_record(OF.model_copy(update={field: "d" * 64}), SMALL)
    with pytest.raises(UnusableRecordError, match=reason):
        decode_record(content, OF)
