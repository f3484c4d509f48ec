"""Opening published files: what is inside, what is left out, and that nothing in them can run."""

import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from compat import published_files as files
from genieredux.compat.published_file import is_foreign, open_published
from genieredux.errors import UserError
from genieredux.models.checkpoint import save_model


def test_a_trained_file(tmp_path: Path) -> None:
    file = open_published(files.latent_file(tmp_path))
    assert file.step == 150
    assert file.left_out == ("optim",)
    assert set(file.models) == {"dynamics", "latent_action_model"}
    for name, tensor in files.dynamics_state(0).items():
        assert torch.equal(file.models["dynamics"][name], tensor)
    assert file.models["latent_action_model"].keys() == files.latent_action_state().keys()


def test_a_bare_state_dict(tmp_path: Path) -> None:
    state = OrderedDict(files.tokenizer_state())
    torch.save(state, tmp_path / "bare.pt")
    file = open_published(tmp_path / "bare.pt")
    assert (file.step, file.left_out) == (0, ())
    assert file.models["tokenizer"].keys() == state.keys()


def test_an_old_file_that_is_no_zip(tmp_path: Path) -> None:
    torch.save({"model": files.tokenizer_state()}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert set(open_published(tmp_path / "old.pt").models) == {"tokenizer"}


def test_a_whole_model_with_its_tokenizer(tmp_path: Path) -> None:
    model = {
        "module": {
            "tokenizer": files.tokenizer_state(),
            "dynamics": files.maskgit(files.dynamics_state(0)),
            "latent_action_model": files.latent_action_state(),
        }
    }
    file = open_published(files.trained(tmp_path / "whole.pt", model))
    assert {kind: len(state) for kind, state in file.models.items()} == {
        "tokenizer": len(files.tokenizer_state()),
        "dynamics": len(files.dynamics_state(0)),
        "latent_action_model": len(files.latent_action_state()),
    }


@pytest.mark.parametrize(
    ("held", "names"),
    [
        ({"action_embeddings": {"weights": torch.ones(5, 16), "names": list("abcde")}}, tuple("abcde")),
        ({"action_embeddings.weight": torch.ones(5, 16)}, ()),
        ({"action_embeddings": {"weight": torch.ones(5, 16)}}, ()),
        (
            {"action_embeddings": {"weights": torch.ones(5, 16), "names": ["a", None, "c", "d", "e"]}},
            ("a", "action_1", "c", "d", "e"),
        ),
    ],
)
def test_action_embeddings_where_a_file_has_them(tmp_path: Path, held: dict[str, object], names: tuple) -> None:
    file = open_published(files.guided_file(tmp_path, 16, **held))
    assert file.action_embeddings is not None
    assert file.action_embeddings.shape == (5, 16)
    assert file.action_names == names
    assert not file.lacks_action_embeddings


def test_action_embeddings_where_it_lacks_them(tmp_path: Path) -> None:
    empty = {"action_embeddings": {"weights": torch.empty(0, 16), "names": []}}
    assert open_published(files.guided_file(tmp_path, 16, **empty)).lacks_action_embeddings
    assert open_published(files.guided_file(tmp_path, 16)).lacks_action_embeddings
    assert not open_published(files.guided_file(tmp_path, 5)).lacks_action_embeddings
    assert not open_published(files.latent_file(tmp_path)).lacks_action_embeddings


def test_a_table_beside_the_model(tmp_path: Path) -> None:
    state = files.maskgit(files.dynamics_state(16))
    file = open_published(files.trained(tmp_path / "a.pt", state, action_embeddings=torch.ones(512, 16)))
    assert file.action_embeddings is not None
    assert file.action_embeddings.shape == (512, 16)
    assert file.left_out == ("optim",)


@pytest.mark.parametrize("held", [torch.ones(5), {"names": ["a"]}, "none"])
def test_a_table_that_is_none(tmp_path: Path, held: object) -> None:
    with pytest.raises(UserError, match=r"a\.pt: action_embeddings is no table"):
        open_published(
            files.trained(tmp_path / "a.pt", files.maskgit(files.dynamics_state(16)), action_embeddings=held)
        )


@pytest.mark.parametrize(("said", "step"), [(torch.tensor(7), 7), (None, 0), ("last", 0)])
def test_a_step_of_another_type(tmp_path: Path, said: object, step: int) -> None:
    torch.save({"step": said, "model": files.tokenizer_state()}, tmp_path / "a.pt")
    assert open_published(tmp_path / "a.pt").step == step


def test_what_lies_beside_the_model_is_named(tmp_path: Path) -> None:
    beside = {"discr": {"weight": torch.zeros(2)}, "loss": 0.5, "note": "hello"}
    file = open_published(files.trained(tmp_path / "a.pt", files.tokenizer_state(), **beside))
    assert file.left_out == ("optim", "discr", "loss", "note")
    assert file.models["tokenizer"].keys() == files.tokenizer_state().keys()


@pytest.mark.parametrize(("action", "width"), [(5, 5), (16, 16), (0, 0)])
def test_the_width_of_an_action(tmp_path: Path, action: int, width: int) -> None:
    assert open_published(files.guided_file(tmp_path, action)).action_width == width
    assert open_published(files.tokenizer_file(tmp_path)).action_width == 0


def test_numpy_scalars_are_values(tmp_path: Path) -> None:
    path = files.trained(tmp_path / "a.pt", files.tokenizer_state(), config={"lr": np.float64(1e-4), "n": np.int64(3)})
    assert open_published(path).left_out == ("optim", "config")


class Runs:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_never_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": files.tokenizer_state(), "config": Runs()}, "a.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"more than tensors and plain values .*mkdir.* torch\.save"):
        open_published("a.pt")
    assert not is_foreign("a.pt")
    assert not Path("ran").exists()


def test_a_file_with_its_configuration_as_an_object(tmp_path: Path) -> None:
    path = files.trained(tmp_path / "a.pt", files.tokenizer_state(), config=OmegaConf.create({"a": 1}))
    with pytest.raises(UserError, match=r"omegaconf.* and is not opened") as error:
        open_published(path)
    assert "\n" not in str(error.value)


def test_what_belongs_to_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'critic\.weight' belongs to no model \(dynamics: dynamics\.maskgit\.\*\)"):
        open_published(files.guided_file(tmp_path, 5, critic={"weight": torch.zeros(2)}))
    torch.save({"a": torch.zeros(2)}, tmp_path / "b.pt")
    with pytest.raises(UserError, match="holds no published model"):
        open_published(tmp_path / "b.pt")
    with pytest.raises(UserError, match="2 of tokenizer"):
        open_published(files.trained(tmp_path / "c.pt", {"a": files.tokenizer_state(), "b": files.tokenizer_state()}))


def test_damage(tmp_path: Path) -> None:
    path = files.tokenizer_file(tmp_path)
    content = bytearray(path.read_bytes())
    (tmp_path / "short.pt").write_bytes(content[: len(content) // 2])
    content[len(content) // 2] ^= 1
    (tmp_path / "flipped.pt").write_bytes(content)
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "empty.pt").write_bytes(b"")
    for name in ("short.pt", "flipped.pt", "text.pt", "empty.pt"):
        with pytest.raises(UserError, match=r"damaged|not opened") as error:
            open_published(tmp_path / name)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 250 + len(str(tmp_path))
    with pytest.raises(UserError, match="no file"):
        open_published(tmp_path / "missing.pt")


@pytest.mark.parametrize("content", [b"RIFF\x00\x01AVI LIST", b"}", b"(", b"t.", b"\x8a\xff\xff", b"Q.", b"\x95" * 9])
def test_bytes_that_are_no_pickle(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "film.avi"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"film.avi is damaged or no torch file"):
        open_published(path)
    assert not is_foreign(path)


def test_a_file_of_this_project(tmp_path: Path) -> None:
    path = save_model(tmp_path / "model-1.pt", "tokenizer", {}, {"a": torch.zeros(1)})
    assert not is_foreign(path)
    with pytest.raises(UserError, match="a checkpoint of this project already"):
        open_published(path)
