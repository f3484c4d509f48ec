"""Mistakes in one's own configuration are one line that names the file and the line, soon."""

import os
from pathlib import Path

import pytest

from genieredux.cli.compose import compose_config
from genieredux.cli.plain_yaml import load, parse
from genieredux.cli.schemas import GenieReduxCommand
from genieredux.errors import UserError

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 10))
MISTAKES = {
    "a tab": (b"run_name: x\n\ttrain: 3\n", r"line \d: a tab; indent with spaces"),
    "a repeated key": (b"run_name: x\nmodel: lam\nrun_name: y\n", r"line \d: the key 'run_name' is there twice"),
    "an open list": (b"run_name: [\n", r"line \d: "),
    "other bytes": ("run_name: été\n".encode("latin-1"), r"line \d: not UTF-8"),
    "nothing": (b"", r"is empty"),
    "only a comment": (b"# soon\n", r"is empty"),
    "a list": (b"- a\n- b\n", r"line \d: a configuration is a mapping"),
    "a word": (b"tokenizer\n", r"line \d: a configuration is a mapping"),
    "anchors that multiply": (LAUGHS.encode(), r"anchors that multiply"),
    "merges that multiply": (MERGES.encode(), r"anchors that multiply"),
    "deep lists": (b"a: " + b"[" * 5000 + b"]" * 5000, r"nested"),
    "deep mappings": ("".join(" " * i + "a:\n" for i in range(120)).encode(), r"nested over 50 deep"),
    "a tag": (b"a: !!python/object/apply:os.system [x]\n", r"no key 'a'"),
    "a circle": (b"a: &a [*a]\n", r"nested over"),
    "a broken reference": (b"run_name: ${\n", r"configuration: "),
    "a reference to nothing": (b"run_name: ${nothing}\n", r"configuration: "),
    "an unknown alias": (b"a: *b\n", r"line \d: found undefined alias"),
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compose(name: str) -> GenieReduxCommand:
    return compose_config("genie_redux", GenieReduxCommand, [f"config={name}"])


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("place", ["configs/genie_redux/config/mine.yaml", "mine.yaml"])
def test_a_mistake_is_one_line(mistake: str, place: str, elsewhere: Path) -> None:
    content, expected = MISTAKES[mistake]
    path = elsewhere / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((b"# @package _global_\n" if place.startswith("configs") and content else b"") + content)
    with pytest.raises(UserError, match=expected) as error:
        compose("mine" if place.startswith("configs") else "mine.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("section", ["[1, 2]", "3", "!!python/object/apply:os.system [x]", "word"])
def test_a_section_that_is_none_is_named_where_a_word_sets_a_key_of_it(section: str, elsewhere: Path) -> None:
    (elsewhere / "mine.yaml").write_text(f"train: {section}\n")
    with pytest.raises(UserError, match=r"train.batch_size cannot be set: the configuration says train: \S+") as error:
        compose_config("genie_redux", GenieReduxCommand, ["config=mine.yaml", "train.batch_size=3"])
    assert "\n" not in str(error.value)


def test_files_that_build_on_each_other_in_a_circle(elsewhere: Path) -> None:
    folder = elsewhere / "configs" / "genie_redux" / "config"
    folder.mkdir(parents=True)
    for name, other in (("one", "two"), ("two", "one")):
        (folder / f"{name}.yaml").write_text(f"# @package _global_\ndefaults: [{other}]\nrun_name: x\n")
    with pytest.raises(UserError, match=r"configs/genie_redux build on each other in a circle"):
        compose("one")


@pytest.mark.parametrize("word", ["/", "..", "/..", "//"])
def test_a_folder_for_a_configuration(word: str) -> None:
    with pytest.raises(UserError, match="is a folder; a configuration is a file"):
        compose(word)


def test_a_folder_named_like_a_file_and_the_other_ending(elsewhere: Path) -> None:
    folder = elsewhere / "configs" / "genie_redux" / "config"
    (folder / "x.yaml").mkdir(parents=True)
    with pytest.raises(UserError, match=r"no configuration 'x'"):
        compose("x")
    (elsewhere / "y.yaml").mkdir()
    with pytest.raises(UserError, match=r"y.yaml is a folder"):
        compose("y.yaml")
    with pytest.raises(UserError, match=r"there is no configuration file nowhere.yaml"):
        compose("./nowhere.yaml")
    (folder / "mine.yml").write_text("run_name: abc\n")
    assert compose("mine").run_name == "abc"
    (elsewhere / "big.yaml").write_text("a: b\n" * 400_000)
    with pytest.raises(UserError, match=r"1048576 bytes at most"):
        load(elsewhere / "big.yaml")


def test_anchors_and_merges_are_understood() -> None:
    assert parse("a: &a {x: 1, y: 1.10}\nb: {<<: *a, x: 2}\nc: *a\n") == {
        "a": {"x": 1, "y": "1.10"},
        "b": {"x": 2, "y": "1.10"},
        "c": {"x": 1, "y": "1.10"},
    }
    assert parse("[a, 'null', null, 3, 0.5, 1e3, yes, true]") == ["a", "null", None, 3, 0.5, "1e3", "yes", True]


def test_what_never_ends_is_not_read_to_its_end(elsewhere: Path) -> None:
    os.mkfifo(elsewhere / "pipe.yaml")
    with pytest.raises(UserError, match=r"pipe.yaml is no file"):
        compose("pipe.yaml")
    with pytest.raises(UserError, match=r"too large; a configuration has 1048576 bytes at most"):
        compose("/dev/zero")
    reading, writing = os.pipe()
    os.write(writing, b"run_name: piped\n")
    os.close(writing)
    assert compose(f"/dev/fd/{reading}").run_name == "piped"
    os.close(reading)
