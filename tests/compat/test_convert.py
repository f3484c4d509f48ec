"""Published files taken over: the checkpoint computes what the file did, and what the file lacks is said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from compat import published_files as files
from genieredux.compat.convert import ImportOptions, import_published
from genieredux.compat.published import (
    dynamics_from_state_dict,
    latent_action_model_from_state_dict,
    tokenizer_from_state_dict,
)
from genieredux.errors import UserError
from genieredux.models.build import build_model, settings_of
from genieredux.models.checkpoint import Section, load_model
from genieredux.models.dynamics.maskgit import MaskGIT
from genieredux.models.latent.actions import STLatentActions
from genieredux.models.latent.genie_redux import GenieRedux, GenieReduxConfig
from genieredux.models.sampling import Sampling
from genieredux.models.world.model import WorldModel
from published_cases import read

HEADS = {"heads": files.HEADS, "dim_head": files.DIM_HEAD}
VIDEO = {**HEADS, "image_size": files.SIZE}
SIZE = {"image_size": files.SIZE}


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def take(source: Path, out: Path, **options: Any) -> tuple[Any, list[str]]:
    made = import_published(source, ImportOptions(out=str(out), **options))
    assert made.path == out
    return load_model(out), list(made.remarks)


def built(section: Section, **parts: Any) -> Any:
    if section.kind == "latent_action_model":
        model: torch.nn.Module = STLatentActions(settings_of("lam", section.config))
    else:
        model = build_model(section.kind, section.config, **parts)
    model.load_state_dict(section.state_dict)
    return model.eval()


def clips() -> Tensor:
    return torch.rand(2, 3, 3, files.SIZE, files.SIZE, generator=torch.Generator().manual_seed(0))


def token_clips() -> Tensor:
    """With hidden tokens among them."""
    shape = (2, 3, files.SIDE, files.SIDE)
    return torch.randint(0, files.CODES + 1, shape, generator=torch.Generator().manual_seed(1))


class TestTokenizer:
    def test_computes_the_same(self, tmp_path: Path) -> None:
        data, remarks = take(files.tokenizer_file(tmp_path), tmp_path / "t.pt", kind="tokenizer", **SIZE)
        assert (data.kind, data.step) == ("tokenizer", 150)
        assert data.metadata == {"imported_from": "tokenizer.pt", "image_size": 16}
        assert remarks == ["left out: optim"]
        published = tokenizer_from_state_dict(files.tokenizer_state(), **VIDEO)
        tokenizer = built(data.model)
        ids = tokenizer.encode(clips())
        assert torch.equal(ids, published.encode(clips()))
        close(tokenizer.decode(ids), published.decode(ids).clamp(0, 1))

    def test_the_image_size_is_said_to_be_taken(self, tmp_path: Path) -> None:
        data, remarks = take(files.tokenizer_file(tmp_path), tmp_path / "t.pt", kind="tokenizer")
        assert data.config["image_size"] == 64
        assert any(line.startswith("image size:") and "64" in line for line in remarks)

    def test_the_fixture(self, tmp_path: Path) -> None:
        case = read("tokenizer")
        torch.save({"step": 9, "model": case["state_dict"]}, tmp_path / "fixture.pt")
        data, _ = take(tmp_path / "fixture.pt", tmp_path / "t.pt", kind="tokenizer")
        tokenizer = built(data.model)
        assert torch.equal(tokenizer.encode(case["video"].transpose(1, 2)), case["indices"])


class TestLatentActions:
    @pytest.mark.parametrize("alone", [True, False])
    def test_computes_the_same(self, tmp_path: Path, alone: bool) -> None:
        source = files.latent_file(tmp_path)
        if alone:
            source = files.trained(tmp_path / "lam.pt", files.latent_action_state())
        data, remarks = take(source, tmp_path / "l.pt", kind="lam")
        assert data.kind == "latent_action_model"
        assert data.config["image_size"] == 16  # the tensors say it
        assert remarks == ["left out: optim"]
        published = latent_action_model_from_state_dict(files.latent_action_state(), **VIDEO)
        model = built(data.model)
        assert torch.equal(model.actions(clips()), published.actions(clips()))
        close(model.reconstruct(clips()), published.reconstruct(clips()).clamp(0, 1))

    def test_without_a_decoder(self, tmp_path: Path) -> None:
        half = {k: v for k, v in files.latent_action_state().items() if not k.startswith("decoder.")}
        with pytest.raises(UserError, match="no decoder"):
            take(files.trained(tmp_path / "a.pt", half), tmp_path / "l.pt", kind="lam")


class TestGuided:
    def take(self, tmp_path: Path, source: Path, **options: Any) -> tuple[Any, list[str]]:
        tokenizer = files.tokenizer_file(tmp_path)
        return take(source, tmp_path / "g.pt", kind="genie_redux_guided", tokenizer=str(tokenizer), **SIZE, **options)

    def dynamics(self, data: Any) -> Any:
        tokenizer = built(data.section("tokenizer"))
        return built(data.model, tokenizer=tokenizer, action_names=data.metadata["action_names"])

    def vectors(self) -> Tensor:
        return tokenizer_from_state_dict(files.tokenizer_state(), **VIDEO).token_vectors()

    @pytest.mark.parametrize("prefix", ["dynamics.maskgit.", "module.maskgit.", "maskgit.", ""])
    def test_any_layout_of_the_names(self, tmp_path: Path, prefix: str) -> None:
        state = files.dynamics_state(5)
        source = files.trained(tmp_path / "a.pt", {f"{prefix}{name}": tensor for name, tensor in state.items()})
        data, _ = self.take(tmp_path, source)
        (tmp_path / "g.pt").unlink()
        nested, _ = self.take(tmp_path, files.guided_file(tmp_path, 5))
        assert data.model.fingerprint == nested.model.fingerprint

    def test_all_new_frames_in_one_step(self, tmp_path: Path) -> None:
        """The published sampler with one step: all new frames hidden, the likeliest token of each place."""
        self.take(tmp_path, files.guided_file(tmp_path, 5))
        world = WorldModel.load(tmp_path / "g.pt")
        actions = torch.tensor([[0, 1, 4], [3, 3, 0]])
        rolled = world.rollout(clips()[:, :2], actions, seed=1, sampling=Sampling(method="one_go", steps=1))
        published = dynamics_from_state_dict(files.dynamics_state(5), **HEADS, guided=True)
        shown = world.encode(clips()[:, :2])
        tokens = torch.cat([shown, torch.full_like(shown[:, :1], files.CODES)], 1)
        logits = published.logits(tokens, torch.eye(5)[actions])
        assert torch.equal(logits[:, -2:].argmax(-1), rolled.tokens)

    def test_one_hot_actions(self, tmp_path: Path) -> None:
        data, remarks = self.take(tmp_path, files.guided_file(tmp_path, 5))
        assert data.metadata["action_names"] == ["RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP"]
        assert data.metadata["image_size"] == 16
        assert [line.split(":")[0] for line in remarks] == ["left out", "action names", "token input"]
        published = dynamics_from_state_dict(files.dynamics_state(5), **HEADS, guided=True)
        actions = torch.tensor([[0, 4, 2], [1, 1, 3]])
        model = self.dynamics(data)
        close(
            model.shifted_logits(token_clips(), model.condition(actions)),
            published.logits(token_clips(), torch.eye(5)[actions]),
        )

    def test_it_is_a_world(self, tmp_path: Path) -> None:
        self.take(tmp_path, files.guided_file(tmp_path, 5))
        world = WorldModel.load(tmp_path / "g.pt")
        actions = torch.tensor([[0, 1, 4, 2], [3, 3, 0, 1]])
        rolled = world.rollout(clips()[:, :2], actions, seed=1)
        assert rolled.frames.shape == (2, 3, 3, files.SIZE, files.SIZE)
        published = dynamics_from_state_dict(files.dynamics_state(5), **HEADS, guided=True)
        tokens = torch.cat([world.encode(clips()[:, :2]), rolled.tokens], 1)
        logits = published.logits(tokens[:, :-1], torch.eye(5)[actions])
        assert torch.equal(logits[:, 1:].argmax(-1), rolled.tokens)  # each frame follows from those before it
        dream = world.dream(clips()[:, :2], actions[:, :1], 1)
        assert torch.equal(dream.step(actions[:, 1]).tokens, rolled.tokens[:, 0])

    def test_embedded_actions_with_their_table(self, tmp_path: Path) -> None:
        table = torch.randn(6, files.DIM)
        names = ["right", "left", "up", "down", "jump", "run"]
        held = {"action_embeddings": {"weights": table, "names": names}}
        data, remarks = self.take(tmp_path, files.guided_file(tmp_path, files.DIM, **held))
        assert data.metadata["action_names"] == names
        assert data.metadata["action_embeddings"] == "from the file"
        assert [line.split(":")[0] for line in remarks] == ["left out", "token input"]
        published = dynamics_from_state_dict(
            files.dynamics_state(files.DIM), **HEADS, guided=True, token_vectors=self.vectors()
        )
        actions = torch.tensor([[0, 5, 2], [1, 1, 3]])
        model = self.dynamics(data)
        close(
            model.shifted_logits(token_clips(), model.condition(actions)),
            published.logits(token_clips(), table[actions]),
        )

    def test_a_missing_table_is_asked_for_and_nothing_written(self, tmp_path: Path) -> None:
        source = files.guided_file(tmp_path, files.DIM)
        with pytest.raises(UserError, match=r"has no action embeddings .* action_embeddings=FILE .*=new") as error:
            self.take(tmp_path, source)
        assert "\n" not in str(error.value)
        assert not (tmp_path / "g.pt").exists()

    def test_a_table_is_drawn_only_if_asked(self, tmp_path: Path) -> None:
        source = files.guided_file(tmp_path, files.DIM)
        data, remarks = self.take(tmp_path, source, action_embeddings="new", seed=3)
        assert data.metadata["action_embeddings"] == "drawn anew with seed 3"
        assert any(line.startswith("action embeddings: drawn anew") for line in remarks)
        (tmp_path / "g.pt").unlink()
        again, _ = self.take(tmp_path, source, action_embeddings="new", seed=3)
        assert again.model.fingerprint == data.model.fingerprint

    def test_a_table_from_a_file(self, tmp_path: Path) -> None:
        table = torch.randn(512, files.DIM)  # as published: more rows than actions
        torch.save(table, tmp_path / "table.pt")
        source = files.guided_file(tmp_path, files.DIM)
        data, _ = self.take(tmp_path, source, action_embeddings=str(tmp_path / "table.pt"))
        assert torch.equal(data.state_dict["action_emb.weight"], table[:5])
        (tmp_path / "g.pt").unlink()
        torch.save({"weight": table[:, :4]}, tmp_path / "narrow.pt")
        with pytest.raises(UserError, match=r"action embeddings are \(512, 4\), needed are 5 rows"):
            self.take(tmp_path, source, action_embeddings=str(tmp_path / "narrow.pt"))
        with pytest.raises(UserError, match="no such file"):
            self.take(tmp_path, source, action_embeddings=str(tmp_path / "nowhere.pt"))

    @pytest.mark.parametrize("token_input", [True, False])
    def test_token_input_as_the_user_says(self, tmp_path: Path, token_input: bool) -> None:
        data, remarks = self.take(tmp_path, files.guided_file(tmp_path, 5), token_input=token_input)
        assert not any("token input" in line for line in remarks)
        vectors = self.vectors() if token_input else None
        published = dynamics_from_state_dict(files.dynamics_state(5), **HEADS, guided=True, token_vectors=vectors)
        actions = torch.tensor([[0, 4, 2], [1, 1, 3]])
        model = self.dynamics(data)
        close(
            model.shifted_logits(token_clips(), model.condition(actions)),
            published.logits(token_clips(), torch.eye(5)[actions]),
        )

    def test_more_actions_than_five_must_be_named(self, tmp_path: Path) -> None:
        source = files.guided_file(tmp_path, 7)
        with pytest.raises(UserError, match=r"one-hot actions of 7 values, 5 are named .* with 7 names"):
            self.take(tmp_path, source)
        data, _ = self.take(tmp_path, source, action_names=tuple("abcdefg"))
        assert data.metadata["action_names"] == list("abcdefg")

    def test_the_tokenizer_is_asked_for(self, tmp_path: Path) -> None:
        source = files.guided_file(tmp_path, 5)
        with pytest.raises(UserError, match=r"holds no tokenizer .* tokenizer=FILE"):
            take(source, tmp_path / "g.pt", kind="genie_redux_guided")
        other = files.tokenizer_file(tmp_path, codes=20)
        with pytest.raises(UserError, match="the dynamics has 12 codes, its tokenizer 20"):
            take(source, tmp_path / "g.pt", kind="genie_redux_guided", tokenizer=str(other), **SIZE)
        with pytest.raises(UserError, match="holds no tokenizer"):
            take(source, tmp_path / "g.pt", kind="genie_redux_guided", tokenizer=str(source), **SIZE)
        with pytest.raises(UserError, match="no checkpoint at"):
            take(source, tmp_path / "g.pt", kind="genie_redux_guided", tokenizer=str(tmp_path / "no.pt"))
        with pytest.raises(UserError, match="fewer than the 256 tokens"):
            take(source, tmp_path / "g.pt", kind="genie_redux_guided", tokenizer=str(files.tokenizer_file(tmp_path)))
        assert not (tmp_path / "g.pt").exists()

    def test_an_imported_tokenizer_serves_as_well(self, tmp_path: Path) -> None:
        import_published(
            files.tokenizer_file(tmp_path), ImportOptions(kind="tokenizer", out=str(tmp_path / "t.pt"), **SIZE)
        )
        source = files.guided_file(tmp_path, 5)
        data, _ = take(source, tmp_path / "g.pt", kind="genie_redux_guided", tokenizer=str(tmp_path / "t.pt"))
        assert data.section("tokenizer").fingerprint == load_model(tmp_path / "t.pt").model.fingerprint


class TestLatent:
    def take(self, tmp_path: Path, source: Path) -> tuple[Any, list[str]]:
        tokenizer = str(files.tokenizer_file(tmp_path))
        return take(source, tmp_path / "g.pt", kind="genie_redux", tokenizer=tokenizer, **SIZE)

    def genie(self, data: Any) -> GenieRedux:
        lam = STLatentActions(settings_of("lam", data.config["lam"]))
        settings = settings_of("dynamics", data.config["dynamics"])
        config = GenieReduxConfig(lam.config, settings, data.config["lam_weight"])
        tokenizer = built(data.section("tokenizer"))
        dynamics = MaskGIT(settings, tokenizer.code_vectors(), tokenizer.grid, lam.num_codes)
        model = GenieRedux(config, lam, dynamics)
        model.load_state_dict(data.state_dict)
        return model.eval()

    def test_computes_the_same(self, tmp_path: Path) -> None:
        data, remarks = self.take(tmp_path, files.latent_file(tmp_path))
        assert data.kind == "genie_redux"
        assert set(data.sections) == {"tokenizer"}
        assert data.metadata["action_names"] == [f"LATENT_{code}" for code in range(7)]
        assert [line.split(":")[0] for line in remarks] == ["left out", "token input"]
        model: Any = self.genie(data)
        published = latent_action_model_from_state_dict(files.latent_action_state(), **VIDEO)
        ids = published.actions(clips())
        assert torch.equal(model.lam.actions(clips()), ids)
        raw = dynamics_from_state_dict(files.dynamics_state(0), **HEADS, guided=False)
        tokens = token_clips()[:, :2]
        close(
            model.dynamics.shifted_logits(tokens, model.lam.vectors(ids)),
            raw.logits(tokens, published.vectors(ids)),
        )

    def test_it_is_a_world_of_latent_actions(self, tmp_path: Path) -> None:
        data, _ = self.take(tmp_path, files.latent_file(tmp_path))
        model: Any = self.genie(data)
        world = WorldModel(built(data.section("tokenizer")), model, data.metadata["action_names"])
        actions = torch.tensor([[0, 6, 4, 2], [3, 3, 0, 1]])
        rolled = world.rollout(clips()[:, :2], actions, seed=1)
        raw = dynamics_from_state_dict(files.dynamics_state(0), **HEADS, guided=False)
        tokens = torch.cat([world.encode(clips()[:, :2]), rolled.tokens], 1)
        logits = raw.logits(tokens[:, :-1], model.lam.vectors(actions))
        assert torch.equal(logits[:, 1:].argmax(-1), rolled.tokens)

    def test_without_its_latent_action_model(self, tmp_path: Path) -> None:
        source = files.trained(tmp_path / "half.pt", {"dynamics": files.maskgit(files.dynamics_state(0))})
        with pytest.raises(UserError, match=r"half\.pt holds no latent action model"):
            self.take(tmp_path, source)

    def test_a_guided_file_is_no_latent_one(self, tmp_path: Path) -> None:
        tokenizer = str(files.tokenizer_file(tmp_path))
        with pytest.raises(UserError, match="concatenates actions; it can be imported as kind=genie_redux_guided"):
            take(files.guided_file(tmp_path, 5), tmp_path / "g.pt", kind="genie_redux", tokenizer=tokenizer, **SIZE)
        with pytest.raises(UserError, match=r"adds actions; it can be imported as kind=lam, genie_redux$"):
            take(files.latent_file(tmp_path), tmp_path / "g.pt", kind="genie_redux_guided", tokenizer=tokenizer, **SIZE)


@pytest.mark.parametrize(
    ("make", "kind", "expected"),
    [
        (files.tokenizer_file, "lam", "can be imported as kind=tokenizer"),
        (files.latent_file, "tokenizer", "can be imported as kind=lam, genie_redux$"),
        (files.tokenizer_file, "tokeniser", "kind is 'tokeniser'"),
        (files.tokenizer_file, "", "kind is missing"),
    ],
)
def test_a_wrong_kind(tmp_path: Path, make: Callable[[Path], Path], kind: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        take(make(tmp_path), tmp_path / "out.pt", kind=kind)


def test_what_does_not_fit_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tokenizer\.pt: image_size=18 is not divisible by patch size 4"):
        take(files.tokenizer_file(tmp_path), tmp_path / "out.pt", kind="tokenizer", image_size=18)
    half = {name: tensor for name, tensor in files.tokenizer_state().items() if not name.startswith("to_pixels.")}
    files.trained(tmp_path / "half.pt", half)
    guided = {"kind": "genie_redux_guided", **SIZE}
    with pytest.raises(UserError, match=r"half\.pt: .* keys are missing \(to_pixels\.0\.weight"):
        take(files.guided_file(tmp_path, 5), tmp_path / "out.pt", tokenizer=str(tmp_path / "half.pt"), **guided)
    state = files.maskgit(files.dynamics_state(5) | {"extra.weight": torch.zeros(2)})
    files.trained(tmp_path / "more.pt", {"dynamics": state})
    tokenizer = files.tokenizer_file(tmp_path)
    with pytest.raises(UserError, match=r"more\.pt: .* 1 keys are unknown \(extra\.weight"):
        take(tmp_path / "more.pt", tmp_path / "out.pt", tokenizer=str(tokenizer), **guided)
    assert not (tmp_path / "out.pt").exists()


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "out.pt").write_text("mine")
    with pytest.raises(UserError, match="exists; give another out=FILE"):
        take(files.tokenizer_file(tmp_path), tmp_path / "out.pt", kind="tokenizer")
    assert (tmp_path / "out.pt").read_text() == "mine"


@pytest.mark.parametrize("name", ["GenieRedux_Tokenizer/model.pt", "GenieRedux_Tokenizer/model-150.pt"])
def test_where_it_goes_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    source = files.trained(Path(name), files.tokenizer_state())
    made = import_published(source, ImportOptions(kind="tokenizer"))
    assert made.path == Path("checkpoints/tokenizer/GenieRedux_Tokenizer/model-150.pt")
    made = import_published(files.tokenizer_file(tmp_path), ImportOptions(kind="tokenizer"))
    assert made.path == Path("checkpoints/tokenizer/tokenizer/model-150.pt")
