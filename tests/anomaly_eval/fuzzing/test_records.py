"""Whatever an interrupted run left, it is what was written, or it is of no use: never something else."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from anomaly_eval.evaluation.journal.fingerprint import differences
from anomaly_eval.evaluation.journal.journal_folder import JournalFolder
from anomaly_eval.evaluation.journal.record import RecordOf, UnusableRecordError, decode_record, encode_record
from tests.anomaly_eval.evaluation.journal.test_fingerprint import BEFORE
from tests.anomaly_eval.fuzzing.readers import ODD_TEXT, damaged, examples, only_input_errors, rearranged

OF = RecordOf(run="r" * 64, dataset="own", id="0", image_sha256="a" * 64, label_sha256="b" * 64)
ARRAYS = {
    "msp": np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32),
    "counts": np.arange(9, dtype=np.int64).reshape(3, 3),
}
VALID = encode_record(OF, ARRAYS)


def check(content: bytes) -> None:
    """Decode a record: it holds what was written, or it is refused."""
    with only_input_errors():
        try:
            found = decode_record(content, OF)
        except UnusableRecordError:
            return
        assert found.keys() == ARRAYS.keys()
        for name, values in ARRAYS.items():
            assert found[name].dtype == values.dtype and found[name].tobytes() == values.tobytes()


@given(content=damaged([VALID]))
@examples(500)
def test_damaged_records(content: bytes) -> None:
    check(content)


@given(about=st.one_of(ODD_TEXT, rearranged(OF.model_dump()).map(json.dumps)))
@examples(200)
def test_records_that_say_something_else_of_themselves(about: str) -> None:
    body = about.encode("utf-8", "surrogateescape") + b"\n" + save(ARRAYS)
    check(hashlib.sha256(body).digest() + body)


@given(data=st.data())
@examples(300)
def test_fingerprints_of_any_kind_are_told_from_this_one(data: st.DataObject) -> None:
    whole = BEFORE.model_dump_json()
    tree = rearranged(json.loads(whole)).map(lambda tree: json.dumps(tree).encode())
    content = data.draw(st.one_of(tree, damaged([whole.encode()])))
    with tempfile.TemporaryDirectory() as place, only_input_errors():
        folder = JournalFolder(Path(place) / "out")
        folder.path.mkdir()
        (folder.path / "run.json").write_bytes(content)
        found = folder.fingerprint()
        if found is not None and found != BEFORE:
            assert differences(found, BEFORE)
            folder.begin(BEFORE, overwrite=False)
