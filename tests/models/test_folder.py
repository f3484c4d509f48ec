"""A checkpoint as a folder and back: bit for bit, whole or not at all, damage named."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from genieredux.compat.describe import describe
from genieredux.errors import UserError
from genieredux.models.checkpoint import Section, load_model, save_model
from genieredux.models.folder import export_folder, import_folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    weights = {"layer.weight": torch.randn(4, 3).t(), "count": torch.tensor(7), "flags": torch.tensor([True, False])}
    inner = Section("tokenizer", {"codes": 4}, {"book": torch.randn(4, 2)})
    metadata = {"action_names": ["LEFT", "RIGHT"]}
    return save_model(
        tmp_path / "m.pt",
        "genie_redux_guided",
        {"dim": 8},
        weights,
        step=3,
        metadata=metadata,
        sections={"tokenizer": inner},
    )


def test_there_and_back_is_the_same(model: Path, tmp_path: Path) -> None:
    folder = export_folder(model, tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    before, after = load_model(model), load_model(import_folder(folder, tmp_path / "back.pt"))
    assert (after.kind, after.step, after.metadata) == (before.kind, before.step, before.metadata)
    assert after.model.fingerprint == before.model.fingerprint
    assert after.section("tokenizer").fingerprint == before.section("tokenizer").fingerprint
    assert after.config == before.config


def test_others_can_read_it(model: Path, tmp_path: Path) -> None:
    folder = export_folder(model, tmp_path / "out")
    config = json.loads((folder / "config.json").read_text())
    assert config["library_name"] == "genieredux"
    assert config["models"]["tokenizer"] == {"kind": "tokenizer", "config": {"codes": 4}}
    tensors = load_file(folder / "model.safetensors")
    assert torch.equal(tensors["model.layer.weight"], load_model(model).state_dict["layer.weight"])
    assert tensors["tokenizer.book"].shape == (4, 2)
    assert config["parameters"] == sum(tensor.numel() for tensor in tensors.values())


def test_a_half_precision_file_comes_back_as_what_it_was_read_as(model: Path, tmp_path: Path) -> None:
    data = load_model(model)
    half = save_model(tmp_path / "half.pt", data.kind, data.config, data.state_dict, precision="float16")
    back = load_model(import_folder(export_folder(half, tmp_path / "out"), tmp_path / "back.pt"))
    assert torch.equal(back.state_dict["layer.weight"], load_model(half).state_dict["layer.weight"])


def test_a_folder_with_something_in_it_is_kept(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    export_folder(model, out)  # empty: nothing is lost
    with pytest.raises(UserError, match="exists and is not empty"):
        export_folder(model, out)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="exists and is not empty"):
        export_folder(model, tmp_path / "file")
    assert not list(tmp_path.glob(".*unfinished*"))


def test_nothing_is_left_of_a_failed_export(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("genieredux.models.folder.save", full)
    with pytest.raises(UserError, match="No space left"):
        export_folder(model, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["m.pt"]


def test_damage(model: Path, tmp_path: Path) -> None:
    folder = export_folder(model, tmp_path / "out")
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UserError, match="its digest differs"):
        import_folder(folder, tmp_path / "back.pt")
    weights.unlink()
    with pytest.raises(UserError, match=r"has no model\.safetensors"):
        import_folder(folder, tmp_path / "back.pt")
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        import_folder(folder, tmp_path / "back.pt")
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="was not written by genieredux"):
        import_folder(folder, tmp_path / "back.pt")
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match=r"has no config\.json"):
        import_folder(folder, tmp_path / "back.pt")
    assert not (tmp_path / "back.pt").exists()


def test_descriptions(model: Path, tmp_path: Path) -> None:
    for path in (model, export_folder(model, tmp_path / "out")):
        text = describe(path)
        assert "genie_redux_guided" in text
        assert "LEFT, RIGHT" in text
        assert "tokenizer" in text
        assert "codes" in text
    assert load_model(model).model.fingerprint[:16] in describe(model)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"models": {}}, "models names no 'model'"),
        ({"models": {"model": {}}}, "models.model has no kind"),
        ({"models": {"model": {"kind": "x"}}}, "models.model has no config"),
        ({"models": []}, r"models is \[\]"),
        ({"step": "x"}, "step is 'x'"),
        ({"metadata": None}, "metadata is None"),
        ({"format_version": None}, "format_version is None"),
        ({"weights_blake2b": 3}, "weights_blake2b is 3"),
    ],
)
def test_a_wrong_description_is_one_line(model: Path, tmp_path: Path, values: dict, message: str) -> None:
    folder = export_folder(model, tmp_path / "out")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))
    with pytest.raises(UserError, match=rf"config\.json: {message}"):
        import_folder(folder, tmp_path / "back.pt")
    assert not (tmp_path / "back.pt").exists()
