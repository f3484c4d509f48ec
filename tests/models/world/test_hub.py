"""A world on the Hub and back, against a stand-in on this machine, without network, and what goes wrong in one line."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import genieredux as gr
from genieredux.cli.main import run
from genieredux.models.checkpoint import load_model
from genieredux.models.world.card import Card, Measured, Part, card_path, read_card
from genieredux.models.world.file import find_world, load_world, shipped_world, shipped_worlds
from genieredux.models.world.hub import is_repository
from models.hub_standin import Hub
from pages import blocks

TWICE = """
import sys, genieredux as gr
def say(*words, **settings):
    try:
        print(gr.load(*words, **settings).path.name)
    except gr.UserError as error:
        print("error:", error)
"""
"""Loads worlds in a process of its own, for the library reads the environment when it is imported."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


def python(code: str, tmp_path: Path, hub: Hub | None, **more: str) -> list[str]:
    """What a process prints that knows this Hub and has a cache of its own."""
    address = {} if hub is None else {"HF_ENDPOINT": hub.address}
    settings = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "1"}
    environment = {**os.environ, **settings, **address, **more}
    done = subprocess.run(
        [sys.executable, "-c", TWICE + code], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=900
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_world_goes_to_the_hub_and_comes_back(hub: Hub, tmp_path: Path) -> None:
    said = python(
        "print(gr.load('coinrun').push_to_hub('someone/coinrun', token='t', commit_message='First'))\n"
        "gr.load('coinrun').push_to_hub('someone/coinrun', token='t', branch='other')\n"
        "world = gr.load('someone/coinrun')\n"
        "print(world.action_names, world.path.name)\n"
        "env = gr.dream('someone/coinrun'); env.reset(seed=0); print(env.step(0)[0].sum())\n"
        "env = gr.dream(world); env.reset(seed=0); print(env.step(0)[0].sum())\n"
        "env = gr.dream('coinrun'); env.reset(seed=0); print(env.step(0)[0].sum())\n"
        "say('someone/coinrun', revision='other'); say('someone/coinrun', revision=world.path.name)\n",
        tmp_path,
        hub,
    )
    commit = hub.repositories["someone/coinrun"]["main"]
    assert said[0] == f"{hub.address}/someone/coinrun/commit/{commit}"
    assert said[1] == f"{gr.load().action_names} {commit}"
    assert said[2] == said[3] == said[4]
    assert said[5:] == [hub.repositories["someone/coinrun"]["other"], commit]
    files = hub.commits[commit]
    assert sorted(files) == ["README.md", "card.json", "config.json", "model.safetensors"]
    assert b"model-index:" in files["README.md"]
    assert len(files["model.safetensors"]) < 1.02 * shipped_world().stat().st_size  # half precision stays half

    asked = len(hub.asked)
    assert python("say('someone/coinrun', local_files_only=True)", tmp_path, hub) == [commit]
    assert python("say('someone/coinrun')", tmp_path, None, HF_HUB_OFFLINE="1") == [commit]
    assert len(hub.asked) == asked


def test_what_goes_wrong_is_one_line(hub: Hub, tmp_path: Path) -> None:
    hub.repositories["someone/other"] = {}
    hub.commit("someone/other", "main", {"README.md": b"hello"})
    hub.repositories["someone/bert"] = {}
    hub.commit("someone/bert", "main", {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"x"})
    said = python(
        "say('someone/nothing'); say('someone/other'); say('someone/bert'); say('someone/other', revision='v9')\n"
        "say('coinrun', revision='v9'); say('someone/nothing', local_files_only=True)\n",
        tmp_path,
        hub,
    )
    expected = (
        "no file someone/nothing here and no repository of that name on the Hub",
        "someone/other is no world of genieredux: it has no config.json",
        "was not written by genieredux",
        "someone/other on the Hub has no revision 'v9'",
        "revision is 'v9', but",
        "someone/nothing is not on this machine",
    )
    assert all(line.startswith("error: ") for line in said)
    for line, words in zip(said, expected, strict=True):
        assert words in line
    offline = python("say('someone/nothing')", tmp_path, None, HF_HUB_OFFLINE="1")
    assert "cannot be reached or may not be asked (HF_HUB_OFFLINE)" in offline[0]
    hub.refuses = True
    refused = "try: gr.load().push_to_hub('someone/coinrun', token='t')\nexcept gr.UserError as e: print(e)"
    assert "the Hub did not give or take someone/coinrun" in python(refused, tmp_path, hub)[0]
    away = hub.address
    hub.close()
    unreachable = python("say('someone/nothing')", tmp_path, None, HF_ENDPOINT=away)
    assert "someone/nothing" in unreachable[0]
    assert unreachable[0].startswith("error: ")


def test_a_folder_is_a_world_wherever_a_file_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = gr.load()
    folder = world.save_pretrained(tmp_path / "coinrun")
    again, prompts = load_world(folder)
    given = load_world(shipped_world())[1]
    assert all((a[0] == b[0]).all() and (a[1] == b[1]).all() for a, b in zip(prompts, given, strict=True))
    frames, actions = torch.rand(1, 2, 3, 64, 64), torch.zeros(1, 3, dtype=torch.int64)
    assert torch.equal(again.rollout(frames, actions).tokens, world.rollout(frames, actions).tokens)
    before, after = load_model(shipped_world()), load_model(folder)
    assert after.model.fingerprint == before.model.fingerprint
    assert after.precision == before.precision == "float16"
    twice = again.save_pretrained(tmp_path / "twice")
    names = sorted(file.name for file in folder.iterdir())
    assert all((twice / name).read_bytes() == (folder / name).read_bytes() for name in names)
    with pytest.raises(gr.UserError, match="exists"):
        world.save_pretrained(folder)
    with pytest.raises(gr.UserError, match="needed here"):
        load_model(folder, expect="tokenizer")
    assert run(["checkpoint", "info", str(folder)]) == 0
    assert "RIGHT_UP" in capsys.readouterr().out


def test_a_world_of_no_file_cannot_be_given_away(tmp_path: Path) -> None:
    world = gr.load()
    world.path = None
    with pytest.raises(gr.UserError, match="loaded from no file"):
        world.save_pretrained(tmp_path / "x")
    with pytest.raises(gr.UserError, match="no frame to begin with"):
        gr.dream(world)
    with pytest.raises(gr.UserError, match="'coinrun' is no name of a repository"):
        gr.load().push_to_hub("coinrun")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("org/name", True),
        ("org/name.pt", False),
        ("here/name", False),
        ("coinrun", False),
        ("a/b/c", False),
        ("./a", False),
        ("/a/b", False),
    ],
)
def test_only_a_name_of_a_repository_asks_the_network(
    name: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert is_repository(name) is expected


def test_the_shipped_worlds_have_cards(capsys: pytest.CaptureFixture[str]) -> None:
    for world in shipped_worlds():
        assert find_world(world.name) == world.path
        card = world.card
        assert card is not None
        assert card.measured
        data = load_model(world.path)
        held = {"dynamics": data.state_dict, **{name: one.state_dict for name, one in data.sections.items()}}
        if data.kind == "genie_redux":  # two parts in one
            parts = {
                part: {k: v for k, v in data.state_dict.items() if k.startswith(f"{part}.")}
                for part in ("dynamics", "lam")
            }
            held |= parts
        for part in card.parts:
            assert part.parameters == sum(tensor.numel() for tensor in held[part.name].values())
    assert run(["play", "list"]) == 0
    said = capsys.readouterr().out
    assert "coinrun  (6 MiB)" in said
    coinrun = read_card(card_path(find_world("coinrun")))
    assert coinrun is not None
    told = next(row for row in coinrun.measured if (row.metric, row.at) == ("PSNR", "t = 4"))
    assert f"PSNR, t = 4 {told.value:.2f} dB" in said
    assert run(["play", "list", "x=1"]) == 2


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = (Measured(on="test", metric="PSNR", value=21.5, unit="dB", at="t = 4", low=21.0, high=22.0),)
    parts = (Part(name="dynamics", parameters=10, steps=3, seconds=4.5),)
    card = Card(title='A "title": yes', about="x", game="g", data="d", frames=7, parts=parts, measured=rows)
    path = card_path(tmp_path / "w.pt")
    path.write_text(card.to_json())
    assert read_card(path) == card
    assert card.seconds == 4.5
    yaml = pytest.importorskip("yaml")
    about = yaml.safe_load(card.to_markdown().split("---")[1])
    assert about["model-index"][0]["name"] == 'A "title": yes'
    result = about["model-index"][0]["results"][0]
    assert result["dataset"] == {"name": "g", "type": "test"}
    assert result["metrics"] == [{"type": "psnr", "name": "PSNR, t = 4", "value": 21.5}]
    assert read_card(tmp_path / "none.json") is None
    for text, message in {
        "{": "cannot be read as a world's card",
        json.dumps({"titel": "x"}): "did you mean",
        json.dumps({"title": "x"}): "about is missing",
    }.items():
        path.write_text(text)
        with pytest.raises(gr.UserError, match=message):
            read_card(path)


def test_the_page_on_sharing_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(blocks("docs/sharing.md", "python")[0], names)
    assert names["env"].reset(seed=0)[0].shape == (64, 64, 3)  # type: ignore[attr-defined]
    (tmp_path / "w.json").write_text(blocks("docs/sharing.md", "json")[0])
    assert read_card(tmp_path / "w.json") is not None
