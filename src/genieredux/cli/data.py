"""`genieredux data ACTION PATH [key=value ...]`: look at data sets, tend them, bring data in and out.

Every action is a row of `ACTIONS`. Its options are the fields of the job's configuration; `data ACTION --help` lists
them.
"""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from genieredux.cli.screen import say, wants_help
from genieredux.config import from_plain
from genieredux.errors import UserError

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Action:
    """One thing `data` does. usage: what follows its name. run: takes the path and the `key=value` words, returns what
    to say. options: gives the class whose fields are its keys, None where it has none.
    """

    usage: str
    about: str
    run: Callable[[str, list[str]], str]
    options: Callable[[], type] | None = None


def data(words: list[str]) -> None:
    """Describe, tend, import and export data sets."""
    asked = wants_help(words)
    if asked and (words[0] not in ACTIONS):
        return say(_usage())
    if not words or words[0] not in ACTIONS:
        said = f"'{words[0]}'" if words else "nothing"
        raise UserError(f"data takes an action, one of {', '.join(ACTIONS)}, and got {said}")
    action = ACTIONS[words[0]]
    if asked:
        return say(_action_usage(words[0], action))
    paths = [word for word in words[1:] if "=" not in word]
    rest = [word for word in words[1:] if "=" in word]
    if len(paths) != 1 or (rest and action.options is None):
        raise UserError(f"the command is: data {words[0]} {action.usage}")
    say(action.run(paths[0], rest))


def read_options(schema: type[T], words: Sequence[str], **fixed: Any) -> T:
    """`key=value` words as an object of the dataclass `schema`; `fixed`: fields that are not given as words.

    Raises UserError for an unknown, missing or repeated key, or a value of a wrong type or out of range.
    """
    hints = typing.get_type_hints(schema)
    values: dict[str, Any] = dict(fixed)
    for word in words:
        key, _, text = word.lstrip("-").partition("=")
        if key in values:
            raise UserError(f"{key} is given twice")
        is_text = hints.get(key) is str or (str in typing.get_args(hints.get(key)) and text != "null")
        values[key] = text if is_text else _parse(text, word)
    for item in dataclasses.fields(schema):  # type: ignore[arg-type]
        if item.default is dataclasses.MISSING and item.name not in values:
            raise UserError(f"{item.name} is missing; add {item.name}=...")
    return from_plain(schema, values, "")


def _info(path: str, words: list[str]) -> str:
    from genieredux.episodes import Dataset, describe

    return describe(Dataset.open(path)).to_text()


def _compact(path: str, words: list[str]) -> str:
    from genieredux.episodes.compact import compact

    made = compact(path)
    return f"{path}: {made.files_before} episode files before, {made.files_after} now"


def _index(path: str, words: list[str]) -> str:
    from genieredux.episodes import rebuild_index

    return f"{path}: {rebuild_index(path).num_rows} episodes in the index"


def _convert(path: str, words: list[str]) -> str:
    from genieredux.episodes.interchange import ConvertConfig, convert
    from genieredux.runs.progress import ProgressLine

    cfg = read_options(ConvertConfig, words, source=path)
    with ProgressLine("convert", 1, unit="session") as line:
        return _imported(convert(cfg, line.advance_to))


def _import_videos(path: str, words: list[str]) -> str:
    from genieredux.episodes.interchange import VideoConfig, import_videos
    from genieredux.runs.progress import ProgressLine

    cfg = read_options(VideoConfig, words, folder=path)
    with ProgressLine("import", 1, unit="frame") as line:
        return _imported(import_videos(cfg, line.advance_to))


def _export(path: str, words: list[str]) -> str:
    from genieredux.episodes.interchange import ExportConfig, export
    from genieredux.runs.progress import ProgressLine

    cfg = read_options(ExportConfig, words, path=path)
    with ProgressLine("export", 1, unit="episode") as line:
        made = export(cfg, line.advance_to)
    megabytes = made.bytes / 1e6
    return f"{made.path}: {made.episodes} episodes, {made.frames} frames, {megabytes:,.1f} MB\nread it: {made.hint}"


def _report(path: str, words: list[str]) -> str:
    from genieredux.collect.report import DataReportConfig, write_data_report
    from genieredux.runs.progress import ProgressLine

    cfg = read_options(DataReportConfig, words, path=path)
    with ProgressLine("report", 1, unit="game") as line:
        made = write_data_report(cfg, line.advance_to)
    levels = ", ".join(f"{count} {level}" for level, count in made.levels.items())
    return f"{made.page}: {len(made.notes)} games ({levels}), {made.bytes / 1e6:,.1f} MB\nnumbers: {made.numbers}"


def _report_options() -> type:
    from genieredux.collect.report import DataReportConfig

    return DataReportConfig


def _convert_options() -> type:
    from genieredux.episodes.interchange import ConvertConfig

    return ConvertConfig


def _video_options() -> type:
    from genieredux.episodes.interchange import VideoConfig

    return VideoConfig


def _export_options() -> type:
    from genieredux.episodes.interchange import ExportConfig

    return ExportConfig


ACTIONS: dict[str, Action] = {
    "info": Action("PATH", "what a data set holds, in numbers", _info),
    "compact": Action("PATH", "merge many small episode files into few", _compact),
    "index": Action("PATH", "make the index anew from the episode files", _index),
    "convert": Action(
        "SRC [name=NAME] [root=datasets]", "a data set in the published folder format", _convert, _convert_options
    ),
    "import-videos": Action(
        "FOLDER name=NAME [actions=FILE] [frame_skip=4]", "a folder of videos", _import_videos, _video_options
    ),
    "report": Action(
        "PATH [out=FILE.html] [games=A,B]", "a page that shows how good a data set is", _report, _report_options
    ),
    "export": Action(
        "PATH format=minari|lerobot|mp4 out=FOLDER", "a data set in a format of others", _export, _export_options
    ),
}


def _imported(made: Any) -> str:
    lines = [
        f"{made.path}: {made.episodes} new episodes, {made.frames} new frames; {made.total_episodes} episodes, "
        f"{made.total_frames} frames in all"
    ]
    if made.left_out:
        lines.append(f"{len(made.left_out)} left out or cut short:")
        lines += [f"  {what}" for what in made.left_out]
    return "\n".join(lines)


def _parse(text: str, word: str) -> Any:
    try:
        return OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]))["value"]  # type: ignore[index,call-overload]
    except (OmegaConfBaseException, YAMLError) as error:
        raise UserError(f"cannot read '{word}'; write key=value") from error


def _usage() -> str:
    width = max(len(name) + len(action.usage) for name, action in ACTIONS.items()) + 3
    rows = [f"  {name + ' ' + action.usage:<{width}}{action.about}" for name, action in ACTIONS.items()]
    return "\n".join(["usage: genieredux data ACTION PATH [key=value ...]", "", *rows])


def _action_usage(name: str, action: Action) -> str:
    lines = [f"usage: genieredux data {name} {action.usage}", f"       {action.about}"]
    if action.options is not None:
        schema = action.options()
        given = [item for item in dataclasses.fields(schema) if item.default is not dataclasses.MISSING]
        lines += ["", *(f"  {item.name}={_shown(item.default)}" for item in given), "", str(inspect.getdoc(schema))]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
