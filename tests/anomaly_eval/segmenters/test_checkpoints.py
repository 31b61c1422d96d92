"""Checkpoints and the configs inside them: what loads, and what is refused without being run."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.logging import HistoryBuffer

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.configs import find_config, parse_literals
from anomaly_eval.segmenters.load import load_segmenter
from gmmseg.checkpoints import load_checkpoint
from tests.anomaly_eval import networks
from tests.anomaly_eval.hostile.checkpoints import RAN, Trap


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch):
    import os

    monkeypatch.delenv(RAN, raising=False)
    yield
    assert RAN not in os.environ


def write(path, content):
    torch.save(content, path)
    return path


def test_mmengines_training_checkpoints_load(tmp_path):
    buffers = {"loss": HistoryBuffer(np.arange(3.0), np.ones(3, dtype=np.int64))}
    path = write(
        tmp_path / "iter_10.pth",
        {
            "meta": {
                "iter": np.int64(10),
                "dataset_meta": {"classes": ("road", "car")},
                "lr": np.float64(0.1),
            },
            "state_dict": {"weight": torch.ones(2)},
            "message_hub": {"log_scalars": buffers},
        },
    )
    checkpoint = load_checkpoint(path)
    assert checkpoint.classes == ("road", "car")
    assert torch.equal(checkpoint.weights["weight"], torch.ones(2))


class Attribute:
    """Reaches for an attribute of anything while it is unpickled, as history buffers do for their own."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, "__init__")


def test_getattr_reaches_nothing_but_the_statistics_of_a_buffer(tmp_path):
    path = write(tmp_path / "reach.pth", {"state_dict": {"w": torch.ones(1)}, "hook": Attribute()})
    with pytest.raises(InputError, match="would have to be executed"):
        load_checkpoint(path)


def test_bare_and_wrapped_weights_load(tmp_path):
    bare = load_checkpoint(write(tmp_path / "bare.pth", {"weight": torch.ones(2)}))
    wrapped = load_checkpoint(write(tmp_path / "ddp.pth", {"state_dict": {"module.weight": torch.ones(2)}}))
    assert list(bare.weights) == list(wrapped.weights) == ["weight"]
    assert bare.classes is None


def test_class_names_of_mmcv_1(tmp_path):
    path = write(tmp_path / "old.pth", {"meta": {"CLASSES": ("road", "car")}, "state_dict": {"w": torch.ones(1)}})
    assert load_checkpoint(path).classes == ("road", "car")


@pytest.mark.parametrize("content", [b"", b"this is text\n", b"PK\x03\x04 but no archive"])
def test_files_that_are_no_checkpoints_are_refused(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.pth is not a PyTorch checkpoint or is damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": 3}, "holds no state_dict"),
        ({"state_dict": {}}, "holds no state_dict"),
        ([1, 2], "holds no state_dict"),
        ({"state_dict": {"weight": "heavy"}}, "not tensors"),
        ({"epoch": 3}, "not tensors"),
        ({"state_dict": {3: torch.ones(1)}}, "not tensors"),
        (Trap(), "would have to be executed"),
    ],
    ids=["number", "empty", "list", "strings", "no weights", "numbered", "code"],
)
def test_checkpoints_without_weights_are_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=rf"weights\.pth.*{message}"):
        load_checkpoint(write(tmp_path / "weights.pth", content))


def test_code_in_a_zipped_checkpoint_is_refused(tmp_path):
    path = write(tmp_path / "trap.pth", {"state_dict": {"w": torch.ones(1)}, "meta": {"hook": Trap()}})
    with pytest.raises(InputError, match="would have to be executed"):
        load_checkpoint(path)


def test_truncated_checkpoint(tmp_path):
    path = write(tmp_path / "half.pth", {"state_dict": {"w": torch.ones(1000)}})
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(path)


def test_missing_checkpoint(tmp_path):
    with pytest.raises(InputError, match=r"no checkpoint file .*none\.pth"):
        load_checkpoint(tmp_path / "none.pth")


plain = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**9), 10**9),
        st.floats(allow_nan=False, width=32),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True).filter(str.isidentifier), inner, max_size=3),
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["model", "settings", "other"]), plain, min_size=1))
@settings(max_examples=150, deadline=None)
def test_literals_round_trip_through_python_text(values):
    text = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    assert parse_literals(text) == values


def test_mmengines_text_is_read_as_mmengine_reads_it():
    config = Config(dict(model=networks.cascade(), values={11: 255}, both=[{"a": {1: 2}}]))
    parsed = parse_literals(config.pretty_text)
    assert parsed == Config.fromstring(config.pretty_text, ".py").to_dict()


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "model = __import__('os').system('true')",
        "model = dict(**open('x'))",
        "model = [i for i in range(3)]",
        "model = (lambda: 1)()",
        "model = dict('x')",
        "model = os",
        "model.x = 1",
        "model = f'{1}'",
        "model = 1 if True else 2",
        "model = {**a}",
        "def model(): pass",
        "model = (",
        "model = " + "(" * 500 + ")" * 500,
        "model = '\0'",
        "model = {[1]: 2}",
        "model = dict(**3)",
        "model = dict({1: 2}, a=f())",
        "model = dict({1: f()})",
    ],
)
def test_anything_but_literals_is_refused(text):
    with pytest.raises(ValueError):
        parse_literals(text)


def config_in_checkpoint(tmp_path, text):
    meta = {"cfg": text}
    return load_checkpoint(write(tmp_path / "net.pth", {"meta": meta, "state_dict": {"w": torch.ones(1)}}))


def test_a_config_with_code_is_not_run(tmp_path):
    checkpoint = config_in_checkpoint(tmp_path, f"import os\nos.environ[{RAN!r}] = '1'\nmodel = dict(type='FCNHead')")
    with pytest.raises(InputError, match=r"net\.pth is more than plain values .*--config"):
        find_config(checkpoint, None)


@pytest.mark.parametrize("kind", ["os.system", "subprocess.run", "this", "mmdet.NoSuchNet", "NoSuchHead"])
def test_a_type_outside_the_registry_is_not_imported(tmp_path, kind):
    checkpoint = config_in_checkpoint(tmp_path, f"model = dict(type='EncoderDecoder', backbone=dict(type={kind!r}))")
    with pytest.raises(InputError, match="no module of mmsegmentation"):
        find_config(checkpoint, None)


@pytest.mark.parametrize("place", ["decode_head", "auxiliary_head"])
def test_class_weights_in_a_file_are_not_loaded(tmp_path, monkeypatch, place):
    (tmp_path / "weights.pkl").write_bytes(pickle.dumps(Trap()))
    monkeypatch.chdir(tmp_path)
    model = copy.deepcopy(networks.CGNET)
    loss = dict(type="CrossEntropyLoss", class_weight="weights.pkl")
    model[place] = dict(model["decode_head"], loss_decode=loss)
    path = networks.save(tmp_path / "net.pth", model, networks.build(networks.CGNET))
    assert load_segmenter(path, device="cpu").provides == {"logits", "features", "classifier"}


@pytest.mark.parametrize("name", ["weights.pkl", "http://example.org/w", "folder/w", "w.PTH", "c:\\\\w"])
def test_a_config_in_a_checkpoint_names_no_files(tmp_path, name):
    text = f"model = dict(type='EncoderDecoder', backbone=dict(type='CGNet', embedding='{name}'))"
    with pytest.raises(InputError, match="names a file"):
        find_config(config_in_checkpoint(tmp_path, text), None)


def test_a_scope_of_another_package_is_not_imported(tmp_path):
    checkpoint = config_in_checkpoint(tmp_path, "model = dict(type='EncoderDecoder', _scope_='mmpretrain')")
    with pytest.raises(InputError, match="no module of mmsegmentation"):
        find_config(checkpoint, None)


@pytest.mark.parametrize("text", ["", "other = 3", "model = 3"])
def test_a_checkpoint_without_model_settings(tmp_path, text):
    with pytest.raises(InputError, match="--config"):
        find_config(config_in_checkpoint(tmp_path, text), None)


def test_configs_by_file_and_by_name(tmp_path):
    checkpoint = config_in_checkpoint(tmp_path, "")
    file = tmp_path / "own.py"
    file.write_text("_base_ = 'mmseg::_base_/models/cgnet.py'\nmodel = dict(decode_head=dict(num_classes=7))")
    own = find_config(checkpoint, str(file))
    assert own.model["decode_head"]["num_classes"] == 7
    named = find_config(checkpoint, "mmseg::cgnet/cgnet_fcn_4xb4-60k_cityscapes-680x680.py")
    assert named.model["decode_head"]["num_classes"] == 19
    assert named.sha256 != own.sha256
    shipped = find_config(checkpoint, "softmax_cgnet_camvid")
    assert shipped.model["backbone"]["type"] == "CGNet"


@pytest.mark.parametrize("given", ["no_such.py", "mmseg::no/such.py"])
def test_configs_that_are_not_there(tmp_path, given):
    with pytest.raises(InputError, match=r"no_such|no/such"):
        find_config(config_in_checkpoint(tmp_path, ""), given)


def test_a_config_file_that_ends_the_program_is_named(tmp_path):
    file = tmp_path / "quits.py"
    file.write_text("import sys\nsys.exit(0)")
    with pytest.raises(InputError, match=r"quits\.py cannot be loaded"):
        find_config(config_in_checkpoint(tmp_path, ""), str(file))


def test_a_broken_config_file_is_named(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("model = dict(")
    with pytest.raises(InputError, match=r"broken\.py cannot be loaded"):
        find_config(config_in_checkpoint(tmp_path, ""), str(file))


def test_the_same_settings_have_the_same_hash_wherever_they_come_from(tmp_path):
    checkpoint = load_checkpoint(networks.save(tmp_path / "net.pth", networks.CGNET))
    file = tmp_path / "same.py"
    file.write_text(f"model = {networks.CGNET!r}")
    assert find_config(checkpoint, None).sha256 == find_config(checkpoint, str(file)).sha256


@pytest.mark.parametrize("text", ["model = {1: 2, 'a': 3}", "model = dict(a={(1, 2): 3})", "model = dict(a=None)"])
def test_keys_of_several_kinds_have_a_hash(tmp_path, text):
    first, second = (find_config(config_in_checkpoint(tmp_path, text), None).sha256 for _ in range(2))
    assert first == second


@pytest.mark.parametrize("value", ["b'x'", "1j", "..."])
def test_values_that_no_config_holds_are_refused(value):
    with pytest.raises(ValueError, match="line 1 holds"):
        parse_literals(f"model = {value}")


def test_a_config_without_end_is_not_parsed(tmp_path):
    checkpoint = config_in_checkpoint(tmp_path, "model = [" + "0," * 600_000 + "]")
    with pytest.raises(InputError, match=r"net\.pth is more than plain values \(it is too long\)"):
        find_config(checkpoint, None)


def test_a_config_that_is_no_text_is_none(tmp_path):
    checkpoint = config_in_checkpoint(tmp_path, torch.ones(3))
    with pytest.raises(InputError, match=r"net\.pth carries no config"):
        find_config(checkpoint, None)


@pytest.mark.parametrize(
    "test_cfg", [1, "whole", dict(mode="slide", crop_size=("a", "b"), stride=(1, 1)), dict(mode="slide", stride=3)]
)
def test_test_settings_that_are_none_are_refused(tmp_path, test_cfg):
    path = networks.save(tmp_path / "net.pth", networks.CGNET | {"test_cfg": test_cfg}, networks.build(networks.CGNET))
    with pytest.raises(InputError, match="test_cfg"):
        load_segmenter(path, device="cpu")
