"""Model files: what goes in comes out, damage is found, nothing is unpickled that could run."""

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genieredux.errors import UserError
from genieredux.models.checkpoint import Section, fingerprint, load_model, save_model
from genieredux.models.tensor_file import read_tensors, write_tensors
from genieredux.runs.below import files_below


@dataclass
class Config:
    width: int = 8
    shape: tuple[int, int] = (2, 3)


def weights(seed: int = 0) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {
        "layer.weight": torch.randn(40, 30, generator=g),
        "layer.bias": torch.randn(40, generator=g),
        "count": torch.tensor(7),
        "flags": torch.tensor([True, False]),
        "view": torch.randn(1000, generator=g)[10:13],
    }


@pytest.fixture
def saved(tmp_path):
    return save_model(
        tmp_path / "model-30.pt",
        "genie_redux_guided",
        Config(),
        weights(),
        step=30,
        metadata={"action_names": ("LEFT", "RIGHT")},
        sections={"tokenizer": Section("tokenizer", {"codes": 4}, weights(1))},
    )


def test_what_goes_in_comes_out(saved):
    data = load_model(saved)
    assert (data.kind, data.step, data.metadata) == (
        "genie_redux_guided",
        30,
        {"action_names": ["LEFT", "RIGHT"]},
    )
    assert data.config == {"width": 8, "shape": [2, 3]}
    for name, value in weights().items():
        assert torch.equal(data.state_dict[name], value)
        assert data.state_dict[name].dtype == value.dtype
    tokenizer = data.section("tokenizer")
    assert tokenizer.kind == "tokenizer"
    assert torch.equal(tokenizer.state_dict["layer.weight"], weights(1)["layer.weight"])


def test_opens_with_plain_torch(saved):
    assert torch.load(saved, weights_only=True)["kind"] == "genie_redux_guided"


def test_a_view_does_not_drag_its_storage_along(tmp_path):
    whole = torch.randn(1_000_000)
    path = save_model(tmp_path / "m.pt", "x", {}, {"a": whole[:10]})
    assert path.stat().st_size < 10_000


@pytest.mark.parametrize(("precision", "tolerance"), [("float16", 2e-3), ("bfloat16", 2e-2)])
def test_half_precision_halves_the_file_and_comes_back_as_float32(tmp_path, precision, tolerance):
    big = {"w": torch.randn(300, 300), "count": torch.tensor(3)}
    full = save_model(tmp_path / "full.pt", "x", {}, big)
    half = save_model(tmp_path / "half.pt", "x", {}, big, precision=precision)
    assert half.stat().st_size < 0.55 * full.stat().st_size
    data = load_model(half)
    assert data.state_dict["w"].dtype == torch.float32
    assert torch.allclose(data.state_dict["w"], big["w"], atol=tolerance, rtol=tolerance)
    assert data.model.fingerprint == fingerprint("x", {}, data.state_dict)


def test_a_value_beyond_float16_keeps_its_tensor(tmp_path):
    path = save_model(tmp_path / "m.pt", "x", {}, {"w": torch.tensor([1e9])}, precision="float16")
    assert load_model(path).state_dict["w"].item() == 1e9


def test_unknown_precision(tmp_path):
    with pytest.raises(UserError, match="float32, float16, bfloat16"):
        save_model(tmp_path / "m.pt", "x", {}, {}, precision="int8")


def test_fingerprint_names_weights_and_configuration():
    base = fingerprint("x", {"a": 1}, weights())
    assert base == fingerprint("x", {"a": 1}, dict(reversed(weights().items())))
    changed = weights()
    changed["count"] = torch.tensor(8)
    assert len({base, fingerprint("x", {"a": 1}, changed), fingerprint("x", {"a": 2}, weights())}) == 3


def test_only_plain_values(tmp_path):
    with pytest.raises(TypeError, match="plain values"):
        save_model(tmp_path / "m.pt", "x", {"f": print}, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("share", [0.0, 0.2, 0.7, 0.999])
def test_truncation_is_named(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match=r"model-30\.pt is damaged or cut short"):
        load_model(saved)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 0.9999), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found_or_harmless(saved, place, bit):
    content = bytearray(saved.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    other = saved.with_name("other.pt")
    other.write_bytes(content)
    try:
        data = load_model(other)
    except UserError:
        return
    for name, value in weights().items():
        assert torch.equal(data.state_dict[name], value)
    assert data.config == {"width": 8, "shape": [2, 3]}


def test_a_record_that_the_directory_calls_a_folder(saved):
    """zipfile's check passes such a file, and torch would fill the tensor with whatever memory held."""
    content = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        name = next(item.filename for item in archive.infolist() if item.filename.endswith("data/0"))
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(name.encode()))
    content[entry + 38] ^= 0x10
    saved.write_bytes(content)
    with pytest.raises(UserError, match="fails its checksum"):
        load_model(saved)


def test_damage_points_to_another_checkpoint(saved):
    save_model(saved.with_name("model-20.pt"), "x", {}, {})
    saved.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"use another one, e\.g\. .*model-20\.pt"):
        load_model(saved)


def test_wrong_kind_names_both(saved):
    with pytest.raises(UserError, match=r"holds a 'genie_redux_guided', but a 'lam' is needed") as error:
        load_model(saved, expect="lam")
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="there is a tokenizer inside it"):
        load_model(saved, expect="tokenizer")
    assert load_model(saved, expect=("lam", "genie_redux_guided")).step == 30


def test_missing_section_names_what_is_there(saved):
    with pytest.raises(UserError, match=r"no 'lam' \(it holds: genie_redux_guided, tokenizer\)"):
        load_model(saved).section("lam")


def test_missing_file_names_the_nearest(saved):
    with pytest.raises(UserError, match=r"no checkpoint at .*model-31\.pt; nearest: .*model-30\.pt"):
        load_model(saved.with_name("model-31.pt"))
    with pytest.raises(UserError, match=r"nearest: .*model-30\.pt"):
        load_model(saved.parent / "tokenizer" / "model-30.pt")
    with pytest.raises(UserError, match=r"is a folder.*give one of its files: .*model-30\.pt"):
        load_model(saved.parent)
    deeper = saved.parent / "run" / "kind"
    deeper.mkdir(parents=True)
    shutil.copy(saved, deeper)
    with pytest.raises(UserError, match=r"run is a folder.*give one of its files: .*kind/model-30\.pt"):
        load_model(deeper.parent)
    os.mkfifo(saved.parent / "pipe.pt")
    with pytest.raises(UserError, match=r"pipe\.pt is no file"):
        load_model(saved.parent / "pipe.pt")


def test_a_hint_is_not_looked_for_on_a_whole_disk(saved, monkeypatch):
    deep = saved.parent / "a/b"
    deep.mkdir(parents=True)
    saved.rename(deep / saved.name)
    (saved.parent / "around").symlink_to(saved.parent)
    with pytest.raises(UserError, match=r"is a folder, not a checkpoint; give one of its files: .*/a/b/model-30.pt$"):
        load_model(saved.parent)
    monkeypatch.setattr("genieredux.models.tensor_file.files_below", lambda folder: files_below(folder, most=2))
    with pytest.raises(UserError, match="give one of its files: it has none"):
        load_model(saved.parent)


def test_foreign_files_are_refused(tmp_path):
    torch.save({"weights": torch.ones(3)}, tmp_path / "foreign.pt")
    with pytest.raises(UserError, match="not written by genieredux"):
        load_model(tmp_path / "foreign.pt")
    write_tensors(tmp_path / "state-3.pt", {"format": "genieredux-state"})
    with pytest.raises(UserError, match=r"is not a model \(genieredux-state\)"):
        load_model(tmp_path / "state-3.pt")
    torch.save({"code": subprocess.run}, tmp_path / "code.pt")
    with pytest.raises(UserError, match="more than tensors and plain values"):
        load_model(tmp_path / "code.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(UserError, match="damaged"):
        load_model(tmp_path / "text.pt")


def test_a_newer_format_is_refused(saved):
    payload = read_tensors(saved)
    payload["format_version"] = 99
    write_tensors(saved, payload)
    with pytest.raises(UserError, match="update genieredux"):
        load_model(saved)


FULL_DISK = """
import resource, signal, sys, torch
from genieredux.errors import UserError
from genieredux.models.checkpoint import save_model
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    save_model(sys.argv[1], "x", {}, {"w": torch.ones(1000, 1000)})
except UserError as error:
    sys.exit(f"USER {error}")
"""


def test_a_disk_that_takes_no_more(saved):
    before = saved.read_bytes()
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(saved)], capture_output=True, text=True, check=False)
    assert "USER cannot write" in done.stderr
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["model-30.pt"]


def resealed(path: Path, change: Any) -> Path:
    """The file again after `change(payload)`, with a checksum that fits."""
    payload = read_tensors(path)
    change(payload)
    return write_tensors(path.with_name("changed.pt"), payload)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("model"), "model is missing"),
        (lambda p: p.update(step="three"), "step is str"),
        (lambda p: p["model"].pop("state_dict"), "model.state_dict is missing"),
        (lambda p: p["model"]["state_dict"].update(weight=[1.0]), "holds 'weight', no tensor"),
        (lambda p: p["sections"].update(tokenizer=3), "tokenizer.kind is missing"),
        (lambda p: p.update(precision="int1"), "precision 'int1'"),
        (lambda p: p.update(metadata=[1]), "metadata is list"),
    ],
)
def test_a_file_of_another_structure_is_named(tmp_path: Path, change: Any, message: str) -> None:
    path = save_model(tmp_path / "model-1.pt", "tokenizer", {"a": 1}, {"w": torch.ones(2)})
    with pytest.raises(UserError, match=message):
        load_model(resealed(path, change))


def test_a_tensor_that_claims_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.pt"
    torch.save({"checksum": "", "w": torch.zeros(1).expand(1 << 45)}, path)
    assert path.stat().st_size < 4096
    with pytest.raises(UserError, match="that the file has not"):
        load_model(path)


def test_records_that_are_compressed_are_refused(tmp_path: Path) -> None:
    path = save_model(tmp_path / "model-1.pt", "tokenizer", {}, {"w": torch.zeros(1 << 16)})
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for record in source.infolist():
            target.writestr(record.filename, source.read(record.filename))
    assert packed.stat().st_size < path.stat().st_size / 10
    with pytest.raises(UserError, match="compressed"):
        load_model(packed)


def test_what_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    nested: list[Any] = []
    for _ in range(200):
        nested = [nested]
    path = tmp_path / "deep.pt"
    torch.save({"checksum": "", "x": nested}, path)
    with pytest.raises(UserError, match=r"nested|damaged"):
        load_model(path)
