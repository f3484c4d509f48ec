"""`genieredux doctor costs`."""

from pathlib import Path

import pytest
import yaml

from genieredux.cli.costs import Reckoning
from genieredux.cli.main import run
from genieredux.costs import Machine, read_rates
from genieredux.costs.rates import read_table


def reckoned(command: str, **machine: float) -> dict[str, object]:
    """The one stage of a command, on one machine."""
    (stage,) = Reckoning(Machine(**machine), read_rates(None)).stages(command, 1)  # type: ignore[arg-type]
    return {
        "work": stage.work_s,
        "shared": stage.shared_s,
        "units": stage.units,
        "gib": stage.gib,
        "amount": stage.amount,
    }


def test_a_collection_is_its_frames_by_the_rate_of_a_core() -> None:
    found = reckoned("generate config=retro_act/pretrain", cores=10)
    frames = 483 * 20 * 501  # every episode as long as it may be
    assert found["amount"] == "4,839,660 frames"
    assert found["work"] == pytest.approx(frames / 789)
    assert found["shared"] == pytest.approx(483 * 20 * 2.1e-3)
    assert found["units"] == 483 * 20
    assert found["gib"] == pytest.approx(frames * 185 / 2**30)


def test_a_training_is_its_flops_by_the_speed_of_its_devices_and_its_gradients_by_their_link() -> None:
    words = "genie_redux train config=tokenizer.yaml train.num_processes=6 train.batch_size=7 train.grad_accum=2"
    found = reckoned(words, gpus=8, gpu_tflops=1000, mfu=0.5, link_gb_s=100)
    assert found["amount"] == "150,000 x 84 clips"
    assert found["work"] == pytest.approx(150_000 * 84 * 4.45 / 500)
    assert found["shared"] == pytest.approx(150_000 * 2 * 4 * 101_563_208 / 100e9)
    assert found["units"] == 84
    slow = reckoned(words, machines=2, gpus=8, gpu_tflops=1000, mfu=0.5, link_gb_s=100, network_gbit_s=0.1)
    assert slow == found  # within one machine it is faster than over such a network
    fast = reckoned(words, machines=2, gpus=8, gpu_tflops=1000, mfu=0.5, link_gb_s=100, network_gbit_s=800)
    assert fast == found  # the same work, and a network as fast as the link
    assert reckoned(words, gpus=1)["shared"] == 0  # one device sends nothing


def test_a_token_cache_is_of_the_games_that_are_trained_on() -> None:
    reckoning = Reckoning(Machine(gpus=1, gpu_tflops=100, mfu=1), read_rates(None))
    reckoning.stages("generate config=retro_act/pretrain", 1)
    tokens, training = reckoning.stages("genie_redux train config=genie_redux_guided_pretrain", 1)
    frames = 200 * 20 * 501
    assert tokens.work_s == pytest.approx(frames / 16 * 4.45 / 6 / 100)
    assert tokens.units == -(-frames // 65_536)
    assert training.units == 12


def test_the_plan_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "costs", "machines=2", "cores=64", "gpus=8", "games=3"]) == 0
    said = capsys.readouterr().out
    for word in (
        "2 machines, each of 64 cores and 8 GPUs (h100: 989 TFLOP/s)",
        "train tokenizer",
        "x 3",
        "faster up to",
    ):
        assert word in said
    assert "gpu_mfu = 0.35, assumed" in said
    assert "…" not in said


def test_the_plan_is_that_of_the_published_commands() -> None:
    seed = read_table(None, "plan")
    assert [command for command in seed["once"] if command.startswith("generate")] == [
        "generate config=retro_act/pretrain",
        "generate config=retro_act/control",
        "generate config=retro_act/control_test",
    ]


def test_ones_own_plan_and_rates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rates = read_table(None, "rates")
    rates["play"]["procgen"]["frames_s"]["value"] = 10.0
    rates["play"]["procgen"]["open_s"]["value"] = 1e-9
    (tmp_path / "rates.yaml").write_text(yaml.safe_dump(rates))
    connector = "config.connector.generator_config"
    command = f"generate config=coinrun/hard {connector}.n_sessions=10 {connector}.n_steps_max=399"
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump({"once": [command]}))
    words = ["doctor", "costs", "cores=1", f"plan={tmp_path}/plan.yaml", f"rates={tmp_path}/rates.yaml"]
    assert run(words) == 0
    said = capsys.readouterr().out
    hours = next(line for line in said.splitlines() if line.startswith("generate")).split()
    at = hours.index("frames")
    frames = int(hours[at - 1].replace(",", ""))
    assert frames % 400 == 0
    assert float(hours[at + 1]) == pytest.approx(frames / 10 / 3600, rel=0.06)


def test_an_agent_takes_its_time_to_choose() -> None:
    file = "config.connector.agent.checkpoint_fpath=x.pt"
    found = reckoned(f"generate config=retro_act/auto_explore_smb {file}")
    assert found["work"] == pytest.approx(10_000 * 501 * (1 / 789 + 1.05e-3))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cores"], "takes key=value words"),
        (["coers=2"], "did you mean 'cores'"),
        (["gpus=-1"], "gpus is -1"),
        (["rates=no.yaml"], "rates=no.yaml: cannot be read"),
        (["gpus=1", "gpu=h10"], "did you mean 'h100'"),
    ],
)
def test_errors_are_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "costs", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"once": ["demo"]}, "cannot be costed"),
        ({"once": []}, "no command"),
        ({"twice": []}, "did you mean 'plan.once'"),
        ({"once": ["genie_redux train config=genie_redux"]}, "no command before it makes the data set"),
    ],
)
def test_a_plan_that_cannot_be(plan: object, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    assert run(["doctor", "costs", f"plan={tmp_path}/plan.yaml"]) == 2
    assert said in capsys.readouterr().err
