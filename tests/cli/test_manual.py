"""Help lists every key of every verb and action, each with its line; what it lists is what the classes have."""

from importlib import import_module

import pytest

from genieredux.cli import checkpoint, data, metrics, retroact
from genieredux.cli.declared import architectures, schema_of, settings
from genieredux.cli.main import run
from genieredux.cli.verbs import VERBS
from genieredux.config import field_names, keys_of
from genieredux.models.build import MODELS

MANY = {
    "data": data.ACTIONS,
    "checkpoint": checkpoint.ACTIONS,
    "metrics": metrics.ACTIONS,
    "retroact": retroact.ACTIONS,
}
SCHEMAS = {
    "generate": "genieredux.cli.generate:GenerateCommand",
    "genie_redux": "genieredux.cli.schemas:GenieReduxCommand",
    "agent57": "genieredux.agent57.config:Agent57Config",
    "doctor": "genieredux.cli.schemas:GenieReduxCommand",
    "demo": "genieredux.demo.config:DemoConfig",
    "play": "genieredux.cli.play:PlayCommand",
    **{f"{verb} {name}": action.schema for verb, of in MANY.items() for name, action in of.items() if action.schema},
}


@pytest.mark.parametrize("schema", sorted(set(SCHEMAS.values())))
def test_every_key_has_its_line(schema: str) -> None:
    listed = list(settings(schema_of(schema)))
    assert listed
    assert not [item.key for item in listed if not item.about]
    module, _, name = schema.partition(":")
    ours = {item.key for item in listed}
    theirs = set(keys_of(getattr(import_module(module), name)))
    of_models = {key for key in ours - theirs if key.rpartition(".")[0].rpartition(".")[2] in MODELS}
    assert ours - of_models == theirs


def test_model_settings_are_those_of_the_models() -> None:
    for part, classes in MODELS.items():
        declared = architectures(part)
        assert list(declared) == list(classes)
        for name, schema in declared.items():
            assert [item.key for item in schema.fields()] == field_names(classes[name].settings)


@pytest.mark.parametrize("verb", [*SCHEMAS, *(f"{verb} {name}" for verb, of in MANY.items() for name in of), "report"])
def test_help_lists_every_key(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*verb.split(), "--help"]) == 0
    said = capsys.readouterr().out
    path = MANY[verb.split()[0]][verb.split()[1]].path if " " in verb else ""
    for item in settings(schema_of(SCHEMAS[verb])) if verb in SCHEMAS else []:
        assert item.schema or item.key == path or f"  {item.key}" in said, item.key


def test_defaults_and_types_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["genie_redux", "train", "--help"]) == 0
    said = capsys.readouterr().out
    for line in (
        r"  train.batch_size=6                            whole number       Clips of a micro-batch, in each process.",
        r"  eval.inference_method=null                    one_go|autoregressive|null",
        r"  optimizer.betas=[0.9,0.99]                    list",
        r"  eval.horizon=10                               whole number       N: frames predicted after them. (also",
        r"tokenizer.architecture=conv:",
    ):
        assert line in said


def test_the_help_of_the_program_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name}" in said for name in VERBS)
    for verb, of in MANY.items():
        assert all(name.partition("-")[0] in said.split(verb, 1)[1] for name in of)
