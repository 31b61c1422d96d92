"""A record gives back the very bits, or says that it is of no use; nothing in between."""

from __future__ import annotations

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
    return list(found) == list(arrays) and all(
        found[name].dtype == values.dtype
        and found[name].shape == values.shape
        and found[name].tobytes() == values.tobytes()
        for name, values in arrays.items()
    )


@given(ARRAYS)
def test_every_bit_and_the_order_come_back(arrays):
    assert same(decode_record(encode_record(OF, arrays), OF), arrays)


def test_infinities_nan_and_signed_zeros_come_back():
    values = np.array([np.inf, -np.inf, np.nan, -0.0, 1e-45], np.float32)
    assert same(decode_record(encode_record(OF, {"x": values}), OF), {"x": values})


@given(st.data())
def test_a_changed_byte_is_found_wherever_it_is(data):
    content = bytearray(encode_record(OF, SMALL))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda value: value != content[place]))
    try:
        found = decode_record(bytes(content), OF)
    except UnusableRecordError:
        return
    # Spaces that pad the header mean nothing.
    assert same(found, SMALL)


def test_no_byte_of_the_values_can_change_unseen():
    content = encode_record(OF, SMALL)
    for place in range(len(content) - sum(values.nbytes for values in SMALL.values()), len(content)):
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


@pytest.mark.parametrize("metadata", [None, {}, {"format": "gmmseg-anomaly record 1"}, {"of": "x", "order": "y"}])
def test_a_file_of_tensors_is_no_record(metadata):
    with pytest.raises(UnusableRecordError, match="is damaged"):
        decode_record(save(SMALL, metadata=metadata), OF)


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
