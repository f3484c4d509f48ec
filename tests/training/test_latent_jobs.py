"""From a data set to latent actions: the model that finds them alone, and GenieRedux with it, joint and frozen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from genieredux.errors import UserError
from genieredux.models.build import build_model
from genieredux.models.checkpoint import load_model, save_model
from genieredux.models.latent.mapping import ActionMapping
from genieredux.models.world.contract import check_world
from genieredux.models.world.model import WorldModel
from genieredux.runs import RunFolder
from genieredux.training import OptimizerConfig, TrainConfig, WarmupConfig, assemble, fit, train
from genieredux.training.jobs import JobConfig
from square_data import ACTIONS, write_square_dataset

LAM: dict[str, Any] = {"architecture": "conv", "dim": 16, "width": 16, "codebook_size": 4, "patch_size": 4}
HISTORY: dict[str, Any] = {"dim": 16, "history_blocks": 1, "heads": 2, "dim_head": 8, "group": 2, "local_width": 8}
ST: dict[str, Any] = {
    "architecture": "st_maskgit",
    "conditioning": "add",
    "dim": 16,
    "blocks": 1,
    "heads": 2,
    "dim_head": 8,
    "peg": False,
}


@pytest.fixture
def job(tmp_path: Path) -> JobConfig:
    write_square_dataset(tmp_path / "datasets" / "square")
    write_square_dataset(tmp_path / "datasets" / "unlabelled", names=())
    train = TrainConfig(
        dataset_root_dpath=str(tmp_path / "datasets"),
        dataset_name="square",
        num_frames=5,
        max_valid_size=4,
        batch_size=4,
        num_train_steps=4,
        save_model_every=2,
        validate_every=4,
        log_every=2,
        precision="32",
        accelerator="cpu",
        tensorboard=False,
        samples=2,
    )
    return JobConfig(
        model="latent_action_model",
        checkpoints_dpath=str(tmp_path / "checkpoints"),
        train=train,
        optimizer=OptimizerConfig(3e-3, warmup=WarmupConfig(0.5, 2)),
        lam=LAM,
        dynamics=HISTORY,
    )


@pytest.fixture
def tokenizer(job: JobConfig) -> str:
    small = {"architecture": "conv", "encoder_width": 8, "decoder_width": 8, "codebook_size": 16, "codebook_dim": 4}
    return str(train(replace(job, model="tokenizer", tokenizer=small)).model_path)


def genie(job: JobConfig, tokenizer: str, **changes: Any) -> JobConfig:
    return replace(job, model="genie_redux", tokenizer_fpath=tokenizer, **changes)


def test_the_latent_action_model_learns_to_draw_and_says_what_its_codes_mean(job: JobConfig) -> None:
    longer = replace(job.train, num_train_steps=150, validate_every=150, save_model_every=150, log_every=10)
    learning = replace(job, train=longer, optimizer=OptimizerConfig(1e-2, warmup=WarmupConfig(0.5, 2)))
    result = train(learning)
    assert result.model_path.parent.parts[-2:] == ("latent_action_model", "latent_action_model")
    losses = [record["reconstruction"] for record in result.history if record["event"] == "train"]
    assert losses[-1] < 0.8 * losses[0]
    data = load_model(result.model_path, expect="latent_action_model")
    assert data.metadata["action_names"] == [f"LATENT_{k}" for k in range(4)]
    assert data.metadata["true_action_names"] == list(ACTIONS)
    mapping = ActionMapping.from_json(data.metadata["action_mapping"])
    assert mapping.counts.shape == (4, 3)
    assert mapping.counts.sum() == 128 * 4  # four transitions of each of 128 clips
    sample = next(record for record in result.history if record["event"] == "sample")
    assert 0 <= sample["action_information"] <= 1
    assert sample["action_chance"] <= 0.6
    assert sample["psnr"] > 10
    assert (result.model_path.parent / "media/redrawn-150.png").is_file()
    model = build_model(data.kind, data.config)
    model.load_state_dict(data.state_dict)


def test_collapsed_codes_are_said(job: JobConfig, caplog: pytest.LogCaptureFixture) -> None:
    parts = assemble(replace(job, lam={**LAM, "codebook": "categorical"}))
    with torch.no_grad():
        parts.model.quantizer.choose.bias[0] += 300.0  # so likely that the other codes' probability is 0 in float32
    fit(parts, job.train, RunFolder(job.folder), job.optimizer)
    assert "the latent actions have collapsed (perplexity 1.00 of 4 codes)" in caplog.text


@pytest.mark.parametrize("dynamics", [HISTORY, ST], ids=["history_refiner", "st_maskgit"])
def test_genie_redux_joint(job: JobConfig, tokenizer: str, dynamics: dict[str, Any]) -> None:
    result = train(genie(job, tokenizer, dynamics=dynamics))
    data = load_model(result.model_path, expect="genie_redux")
    assert data.metadata["action_names"] == [f"LATENT_{k}" for k in range(4)]
    assert data.metadata["true_action_names"] == list(ACTIONS)
    assert data.section("tokenizer").fingerprint == load_model(tokenizer).model.fingerprint
    record = next(record for record in result.history if record["event"] == "train")
    assert {"cross_entropy", "lam_reconstruction", "lam_perplexity"} <= record.keys()
    assert (result.model_path.parent / "media/dream-4.gif").is_file()
    before = build_model(data.kind, data.config, tokenizer=build_model("tokenizer", load_model(tokenizer).config))
    before.load_state_dict(data.state_dict)


def test_latent_actions_steer_a_world_without_a_tokenizer(job: JobConfig) -> None:
    """Joint, from data without actions too; the world takes codes, and says what they are of true frames."""
    canvas = {"architecture": "canvas", "codebook_size": 8, "width": 8, "motion_width": 16, "margin": 8}
    joint = replace(job, model="genie_redux", dynamics=canvas)
    result = train(joint)
    data = load_model(result.model_path, expect="genie_redux")
    assert "tokenizer" not in data.sections
    assert data.config["dynamics"]["action_width"] == LAM["dim"]
    record = next(record for record in result.history if record["event"] == "train")
    assert {"motion", "paint", "lam_reconstruction"} <= record.keys()
    world = WorldModel.load(result.model_path, latent=True)
    assert world.takes == "codes"
    frames = torch.rand(2, 3, 3, world.image_size, world.image_size)
    codes = world.actions_of(frames)
    assert codes is not None
    check_world(world, frames)
    pressed = WorldModel.load(result.model_path)
    assert pressed.action_names == ACTIONS
    assert pressed.rollout(frames, torch.zeros(2, 4, dtype=torch.int64)).frames.shape[:2] == (2, 2)
    unlabelled = replace(joint, train=replace(job.train, dataset_name="unlabelled"), run_name="videos")
    assert load_model(train(unlabelled).model_path).metadata["action_names"] == [f"LATENT_{k}" for k in range(4)]
    again = replace(joint, model_fpath=str(result.model_path), run_name="tuned", dynamics={}, lam={})
    assert torch.equal(
        load_model(train(again).model_path).state_dict["dynamics.codes"], data.state_dict["dynamics.codes"]
    )


def test_a_guided_world_is_where_a_latent_one_begins(job: JobConfig) -> None:
    """All weights of the dynamics but those that take actions; and codes read off motions steer it."""
    canvas = {"architecture": "canvas", "codebook_size": 8, "width": 8, "motion_width": 16, "margin": 8}
    guided = train(replace(job, model="genie_redux_guided", lam={}, dynamics=canvas)).model_path
    lam = train(replace(job, lam={"architecture": "motion", "dim": 16, "width": 16, "codebook_size": 4})).model_path
    begun = replace(job, model="genie_redux", dynamics={}, lam={}, lam_fpath=str(lam), lam_weight=0.0)
    parts = assemble(replace(begun, model_fpath=str(guided)))
    before, after = load_model(guided).state_dict, parts.model.dynamics.state_dict()
    changed = {name for name in after if name not in before or not torch.equal(after[name], before[name].float())}
    assert changed == {name for name in after if ".action." in name}
    made = train(replace(begun, model_fpath=str(guided))).model_path
    world = WorldModel.load(made, latent=True)
    assert world.action_names == ("LATENT_0", "LATENT_1", "LATENT_2", "LATENT_3")
    with pytest.raises(UserError, match="lam_fpath must name a trained one"):
        assemble(replace(begun, model_fpath=str(guided), lam_fpath=None))


def test_genie_redux_frozen(job: JobConfig, tokenizer: str) -> None:
    lam = str(train(job).model_path)
    frozen = genie(job, tokenizer, lam_fpath=lam, lam_weight=0.0, lam={})  # its configuration is that of the file
    made = load_model(train(frozen).model_path)
    for name, value in load_model(lam).state_dict.items():
        assert torch.equal(made.state_dict[f"lam.{name}"], value), name
    joint = load_model(train(replace(frozen, lam_weight=1.0, run_name="joint")).model_path)
    assert not torch.equal(joint.state_dict["lam.see.weight"], made.state_dict["lam.see.weight"])


def test_a_frozen_model_must_be_given(job: JobConfig, tokenizer: str) -> None:
    with pytest.raises(UserError, match="lam_fpath must name a trained one"):
        train(genie(job, tokenizer, lam_weight=0.0))
    assert not (Path(job.checkpoints_dpath) / "genie_redux").exists()


def test_data_without_actions_trains_both(job: JobConfig, tokenizer: str) -> None:
    blind = replace(job, train=replace(job.train, dataset_name="unlabelled"))
    lam = train(blind)
    both = train(genie(blind, tokenizer))
    for result in (lam, both):
        metadata = load_model(result.model_path).metadata
        assert metadata["action_names"] == [f"LATENT_{k}" for k in range(4)]
        assert "action_mapping" not in metadata
        assert not metadata["true_action_names"]
    assert any("psnr" in record for record in lam.history if record["event"] == "sample")


@pytest.mark.parametrize("which", ["lam", "genie_redux"])
def test_codes_are_counted_at_validations_and_not_at_saves(job: JobConfig, tokenizer: str, which: str) -> None:
    often = replace(job.train, num_train_steps=8, save_model_every=1, validate_every=3, keep_last=9, samples=0)
    cfg = replace(job if which == "lam" else genie(job, tokenizer), train=often)
    parts = assemble(cfg)
    lam: Any = parts.model.lam if which == "genie_redux" else parts.model
    clips, actions = [], lam.actions
    lam.actions = lambda frames: clips.append(len(frames)) or actions(frames)
    result = fit(parts, cfg.train, RunFolder(cfg.folder), cfg.optimizer)
    assert sum(clips) == 128 + 3 * (128 + 128)  # at the first save, which no validation precedes; three validations
    said = [load_model(result.model_path.with_name(f"model-{step}.pt")).metadata for step in range(1, 9)]
    assert [metadata["action_mapping_step"] for metadata in said] == [1, 1, 3, 3, 3, 6, 6, 8]
    best = load_model(result.best_path)
    assert best.step in (3, 6, 8)
    assert best.metadata["action_mapping_step"] == best.step  # the file of a validated model says what was found then


def test_what_codes_mean_is_kept_over_a_resume(job: JobConfig) -> None:
    cfg = replace(job, train=replace(job.train, save_model_every=1, validate_every=2, keep_last=9, num_train_steps=5))
    result = train(cfg)
    result.model_path.unlink()  # step 5 was a validation because it was the last
    before = load_model(result.model_path.with_name("model-4.pt")).metadata
    again = replace(cfg, train=replace(cfg.train, validate_every=9, num_train_steps=7))
    train(again)
    said = [load_model(result.model_path.with_name(f"model-{step}.pt")).metadata for step in (5, 6, 7)]
    assert said[:2] == [before, before]
    assert [metadata["action_mapping_step"] for metadata in said] == [4, 4, 7]


@pytest.mark.parametrize("which", ["lam", "genie_redux"])
def test_clips_of_one_frame_are_refused(job: JobConfig, tokenizer: str, which: str) -> None:
    cfg = replace(job if which == "lam" else genie(job, tokenizer), train=replace(job.train, num_frames=1))
    with pytest.raises(UserError, match=r"train.num_frames is 1, but \w+ learns what follows a frame"):
        train(cfg)


@pytest.mark.parametrize("which", ["lam", "genie_redux"])
def test_interrupted_and_resumed_equals_uninterrupted(job: JobConfig, tokenizer: str, which: str) -> None:
    cfg = replace(job if which == "lam" else genie(job, tokenizer), run_name="whole")
    cfg = replace(cfg, train=replace(cfg.train, grad_accum=2, ema_decay=0.9, precision="bf16"))
    half = replace(cfg.train, num_train_steps=2)
    whole = load_model(train(cfg).model_path)
    train(replace(cfg, run_name="parts", train=half))
    parts = load_model(train(replace(cfg, run_name="parts")).model_path)
    assert (whole.step, parts.step) == (4, 4)
    assert whole.model.fingerprint == parts.model.fingerprint


def test_fine_tuning_takes_the_configuration_of_the_file(job: JobConfig, tokenizer: str) -> None:
    first = load_model(train(genie(job, tokenizer, dynamics=ST)).model_path)
    tuned = replace(genie(job, tokenizer), run_name="tuned", model_fpath=str(first.path), lam={}, dynamics={})
    again = load_model(train(replace(tuned, tokenizer_fpath=None)).model_path)
    assert again.config == first.config
    other = replace(tuned, run_name="other", dynamics={"architecture": "history_refiner"})
    with pytest.raises(UserError, match=r"dynamics.architecture=st_maskgit, but the configuration says history_ref"):
        train(other)


def test_a_fine_tuned_tokenizers_codes_replace_those_of_the_file(
    job: JobConfig, tokenizer: str, tmp_path: Path
) -> None:
    first = train(genie(job, tokenizer))
    data = load_model(tokenizer)
    state = {name: value + 0.25 if "codebook" in name else value for name, value in data.state_dict.items()}
    moved = save_model(tmp_path / "moved.pt", data.kind, data.config, state)
    tuned = genie(job, str(moved), run_name="tuned", model_fpath=str(first.model_path))
    made = load_model(train(tuned).model_path)
    assert torch.equal(made.state_dict["dynamics.codes"], state["quantizer.codebook"])
