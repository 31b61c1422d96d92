"""The folder of a study: gone on with, refused, emptied, and taken by one run at a time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from anomaly_eval.errors import InputError
from anomaly_eval.studies.ablation.folder import study_folder
from anomaly_eval.studies.ablation.records import StudyRecord
from anomaly_eval.studies.ablation.steps import Step

PLAN = {
    "title": "t",
    "options": [],
    "resize": None,
    "resize_closed_set": None,
    "resamples": 0,
    "datasets": {"anomaly": ["d"]},
    "networks": {"a": {"config": "x", "options": ["m=1"]}, "b": {"config": "y"}},
    "sections": [{"title": "s", "rows": [{"name": "A", "network": "a", "scores": ["msp", "energy"]}]}],
}
STUDY = StudyRecord(plan=PLAN, seed=0, iterations=4, init_from_sha256=None)


def sections(*scores: str, name: str = "A") -> list[dict[str, object]]:
    return [{"title": "s", "rows": [{"name": name, "network": "a", "scores": list(scores)}]}]


def worked(path: Path) -> Path:
    """Return the folder of a run that finished a training."""
    with study_folder(path, STUDY, overwrite=False) as folder:
        for step in (Step("train", "a"), Step("evaluate", "a")):
            (path / step.result).parent.mkdir(parents=True)
            (path / step.result).write_text('{"rows": [{"method": "msp"}, {"method": "energy"}]}')
            assert folder.is_there(step)
    return path


def test_the_same_study_goes_on(tmp_path: Path) -> None:
    path = worked(tmp_path / "out")
    (path / "networks" / ".a.pth.partial-0123abcd").write_bytes(b"half")
    with study_folder(path, STUDY, overwrite=False) as folder:
        assert folder.is_there(Step("train", "a"))
        assert list((path / "networks").iterdir()) == []
        folder.clear(Step("evaluate", "a"))
        folder.clear(Step("train", "a"))
        assert not (path / "evaluation" / "a").exists()
        assert folder.is_there(Step("train", "a"))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"seed": 1}, "seed was 0 and is 1"),
        ({"iterations": 5}, "iterations was 4 and is 5"),
        ({"plan": PLAN | {"resize": "512"}}, "resize was None and is '512'"),
        ({"plan": PLAN | {"datasets": {"anomaly": ["e"]}}}, "datasets.anomaly.0 was 'd' and is 'e'"),
        ({"plan": PLAN | {"networks": {"a": {"config": "x", "options": ["m=2"]}}}}, "networks.a.options.0 was 'm=1'"),
        ({"plan": PLAN | {"networks": {"b": {"config": "y"}}}}, "networks.a was .* and is None"),
        ({"init_from_sha256": "ab"}, "init_from_sha256 was None and is 'ab'"),
    ],
)
def test_another_study_is_refused_with_the_difference(changed: dict[str, object], told: str, tmp_path: Path) -> None:
    path = worked(tmp_path / "out")
    other = STUDY.model_copy(update=changed)
    with pytest.raises(InputError, match=told) as error, study_folder(path, other, overwrite=False):
        raise AssertionError("entered")
    assert "--overwrite" in str(error.value)
    assert (path / "training" / "a" / "weights.pth").is_file()
    with study_folder(path, other, overwrite=True):
        assert not (path / "training" / "a").exists()
        assert not (path / "evaluation" / "a").exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"title": "u"},
        {"networks": {**PLAN["networks"], "b": {"config": "z"}, "c": {"refit": "a"}}},
        {"sections": sections("energy", "msp", name="B")},
    ],
)
def test_what_no_result_depends_on_may_change(changed: dict[str, object], tmp_path: Path) -> None:
    path = worked(tmp_path / "out")
    other = STUDY.model_copy(update={"plan": PLAN | changed})
    with study_folder(path, other, overwrite=False) as folder:
        assert folder.is_there(Step("train", "a"))
    # From now on it is this plan that counts.
    assert StudyRecord.model_validate_json((path / "plan.json").read_text()) == other


def test_an_evaluation_is_there_if_it_has_the_scores_that_are_asked_for(tmp_path: Path) -> None:
    path = worked(tmp_path / "out")
    other = STUDY.model_copy(update={"plan": PLAN | {"sections": sections("msp", "entropy")}})
    step = Step("evaluate", "a")
    with study_folder(path, other, overwrite=False) as folder:
        assert folder.is_there(step, ["msp"])
        assert not folder.is_there(step, ["msp", "entropy"])
        assert folder.is_there(Step("train", "a"), ["entropy"])
        (path / step.result).write_text("damaged")
        assert not folder.is_there(step, ["msp"])


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InputError), study_folder(tmp_path, STUDY, overwrite):
            raise AssertionError("entered")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_of_somebody_else_in_our_folder_keeps_it(tmp_path: Path) -> None:
    path = worked(tmp_path / "out")
    (path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"), study_folder(path, STUDY, overwrite=True):
        raise AssertionError("entered")
    assert (path / "training" / "a" / "weights.pth").is_file()


def test_a_link_in_the_place_of_a_folder_loses_nothing_of_what_it_leads_to(tmp_path: Path) -> None:
    path, elsewhere = worked(tmp_path / "out"), tmp_path / "elsewhere"
    (path / "training").rename(elsewhere)
    (path / "training").symlink_to(elsewhere)
    with study_folder(path, STUDY, overwrite=True):
        assert not (path / "training").is_symlink()
    assert (elsewhere / "a" / "weights.pth").is_file()


def test_a_damaged_plan_is_told(tmp_path: Path) -> None:
    path = worked(tmp_path / "out")
    (path / "plan.json").write_text("{")
    with pytest.raises(InputError, match=r"plan\.json is damaged"), study_folder(path, STUDY, overwrite=False):
        raise AssertionError("entered")


def test_two_runs_at_once(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with study_folder(path, STUDY, overwrite=False) as held:
        for overwrite in (False, True):
            with pytest.raises(InputError, match="another run is at work"), study_folder(path, STUDY, overwrite):
                raise AssertionError("entered")
        # As a training that outlives the run that started it has it.
        assert held.lock is not None
        inherited = os.dup(held.lock)
        (path / "networks" / "a.pth").write_bytes(b"x")
    with pytest.raises(InputError, match="a training that it started"), study_folder(path, STUDY, overwrite=False):
        raise AssertionError("entered")
    os.close(inherited)
    with study_folder(path, STUDY, overwrite=False) as folder:
        assert folder.is_there(Step("refit", "a"))


def with_configs(**configs: str) -> StudyRecord:
    return STUDY.model_copy(update={"configs_sha256": configs})


def test_a_changed_config_of_what_is_made_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with study_folder(path, with_configs(a="1", b="2"), overwrite=False) as folder:
        (path / "training" / "a").mkdir()
        (path / "training" / "a" / "weights.pth").write_bytes(b"x")
    with (
        pytest.raises(InputError, match=r"the config of a was changed; .* --overwrite\.$"),
        study_folder(path, with_configs(a="3", b="2"), overwrite=False),
    ):
        raise AssertionError("entered")
    # Nothing is there of b; and a run without a still knows its config.
    with study_folder(path, with_configs(b="4"), overwrite=False):
        pass
    assert StudyRecord.model_validate_json((path / "plan.json").read_text()) == with_configs(a="1", b="4")
    with study_folder(path, with_configs(a="3"), overwrite=True) as folder:
        assert not folder.made()


def test_a_record_without_configs_goes_on(tmp_path: Path) -> None:
    path = worked(tmp_path / "out")
    old = json.loads((path / "plan.json").read_text())
    del old["configs_sha256"]
    (path / "plan.json").write_text(json.dumps(old))
    with study_folder(path, with_configs(a="1"), overwrite=False) as folder:
        assert folder.is_there(Step("train", "a"))


def test_a_run_that_ends_before_its_first_training_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), study_folder(tmp_path / "new" / "out", STUDY, overwrite=False):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_log_of_a_training_that_failed_stays_and_binds_nobody(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(RuntimeError), study_folder(path, STUDY, overwrite=False) as folder:
        (folder.path / "training" / "a.log").write_text("failed")
        raise RuntimeError
    assert (path / "training" / "a.log").read_text() == "failed"
    with study_folder(path, STUDY.model_copy(update={"seed": 1}), overwrite=False):
        pass


def test_a_checkpoint_stays(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), study_folder(tmp_path / "out", STUDY, overwrite=False) as folder:
        (folder.path / "training" / "a").mkdir()
        (folder.path / "training" / "a" / "iter_3.pth").write_bytes(b"work")
        raise RuntimeError
    assert (tmp_path / "out" / "training" / "a" / "iter_3.pth").is_file()
