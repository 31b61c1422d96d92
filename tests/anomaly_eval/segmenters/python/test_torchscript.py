"""TorchScript files run as the module that they were made of, and those that reach for files do not."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from anomaly_eval.errors import InputError
from anomaly_eval.segmenters.load import load_segmenter
from gmmseg.checkpoints import sha256_of_file

IMAGE = np.random.default_rng(5).integers(0, 256, (40, 56, 3), dtype=np.uint8)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body, self.norm, self.head = nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 5, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.head(self.norm(self.body(images)).relu())}


class Saving(Net):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        torch.save(images, "written_by_torchscript")
        return {"out": self.head(images)}


class Mapping(Net):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": torch.from_file("written_by_torchscript", True, 10)}


def scripted(folder: Path, net: nn.Module, name: str = "net.pt") -> Path:
    torch.jit.script(net).save(str(folder / name))
    return folder / name


@pytest.mark.parametrize("name", ["net.pt", "net.ts", "net.pth"])
def test_it_is_run_as_what_it_was_made_of(tmp_path: Path, name: str) -> None:
    net = Net()
    path = scripted(tmp_path, net, name)
    segmenter = load_segmenter(path, device="cpu")
    pixels = torch.from_numpy(IMAGE).permute(2, 0, 1)[None] / 255
    expected = net.eval()(pixels)["out"][0].detach()
    torch.testing.assert_close(segmenter(IMAGE).logits.values, expected, atol=1e-5, rtol=1e-5)
    assert segmenter.provides == {"logits"}
    record = segmenter.describe()
    assert (record.checkpoint, record.checkpoint_sha256) == (name, sha256_of_file(path))


@pytest.mark.parametrize("net", [Saving(), Mapping()])
def test_programs_that_reach_for_files_are_not_run(
    tmp_path: Path, net: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = scripted(tmp_path, net)
    with pytest.raises(InputError, match=r"net\.pt holds a program that may read or write files"):
        load_segmenter(path, device="cpu")
    assert not (tmp_path / "written_by_torchscript").exists()


def test_a_program_under_names_in_capitals_is_looked_at_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch finds files in archives whichever case their names have."""
    monkeypatch.chdir(tmp_path)
    path = scripted(tmp_path, Saving())
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("/code/", "/CODE/").replace(".py", ".PY"), content)
        archive.writestr("net/code/nothing.txt", "")
    with pytest.raises(InputError, match=r"net\.pt holds a program that may read or write files"):
        load_segmenter(path, device="cpu")
    assert not (tmp_path / "written_by_torchscript").exists()


def rewritten(path: Path, change: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """Write an archive anew, with some entries changed, by the ends of their names."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, next((new for end, new in change.items() if name.endswith(end)), content))
    return path


def test_damaged_and_compressed_ones_are_refused(tmp_path: Path) -> None:
    path = rewritten(scripted(tmp_path, Net()), {"test_torchscript.py": b"class Net(Module):\n  def forward(self"})
    code = rewritten(scripted(tmp_path, Net(), "code.pt"), {".py": b"class Net(Module):\n  def forward(self"})
    for one in {path, code}:
        if one is code:
            with pytest.raises(
                InputError, match=r"code\.pt is no TorchScript of this version of PyTorch, or is damaged"
            ):
                load_segmenter(one, device="cpu")
    bomb = rewritten(scripted(tmp_path, Net(), "bomb.pt"), {"data.pkl": bytes(10_000_000)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match=r"bomb\.pt would unpack to far more than its own size"):
        load_segmenter(bomb, device="cpu")
    hidden = {".py": b'x = getattr(torch, "sa\\x76e")\n'}
    with pytest.raises(InputError, match="may read or write files"):
        load_segmenter(rewritten(scripted(tmp_path, Net(), "hidden.pt"), hidden), device="cpu")
