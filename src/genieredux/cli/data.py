"""`genieredux data ACTION PATH [key=value ...]`: look at data sets, tend them, bring data in and out. No logic."""

from typing import Any

from genieredux import own_code
from genieredux.cli.actions import Action, act, job
from genieredux.cli.screen import say
from genieredux.errors import UserError


def data(words: list[str]) -> None:
    """Describe, tend, import and export data sets. In place of an action, `module:ACTION` names one of one's own."""
    own = {word: own_code.load(word, "data") for word in words[:1] if ":" in word}
    for name, action in own.items():
        if not isinstance(action, Action):
            raise UserError(f"data '{name}' is no action; it is made by genieredux.cli.actions.Action")
    act("data", {**ACTIONS, **own}, words)


def _info(paths: list[str]) -> None:
    from genieredux.episodes import Dataset, describe

    say(describe(Dataset.open(paths[0])).to_text())


def _compact(paths: list[str]) -> None:
    from genieredux.episodes.compact import compact

    made = compact(paths[0])
    say(f"{paths[0]}: {made.files_before} episode files before, {made.files_after} now")


def _index(paths: list[str]) -> None:
    from genieredux.episodes import rebuild_index

    say(f"{paths[0]}: {rebuild_index(paths[0]).num_rows} episodes in the index")


def _verify(paths: list[str]) -> None:
    from genieredux.episodes.verify import verify
    from genieredux.runs.progress import ProgressLine

    with ProgressLine("verify", 1, unit="file") as line:
        result = verify(paths[0], line.advance_to)
    say(f"{paths[0]}: {result.to_text()}")
    if result.faults:
        raise UserError(
            f"{paths[0]}: {len({fault.file for fault in result.faults})} files are damaged; restore or delete them, "
            f"rebuild the index with `genieredux data index {paths[0]}` and make again what is gone"
        )


def _imported(made: Any) -> str:
    lines = [
        f"{made.path}: {made.episodes} new episodes, {made.frames} new frames; {made.total_episodes} episodes, "
        f"{made.total_frames} frames in all"
    ]
    if made.left_out:
        lines.append(f"{len(made.left_out)} left out or cut short:")
        lines += [f"  {what}" for what in made.left_out]
    return "\n".join(lines)


def _exported(made: Any) -> str:
    megabytes = made.bytes / 1e6
    return f"{made.path}: {made.episodes} episodes, {made.frames} frames, {megabytes:,.1f} MB\nread it: {made.hint}"


def _reported(made: Any) -> str:
    levels = ", ".join(f"{count} {level}" for level, count in made.levels.items())
    return f"{made.page}: {len(made.notes)} games ({levels}), {made.bytes / 1e6:,.1f} MB\nnumbers: {made.numbers}"


_INTERCHANGE = "genieredux.episodes.interchange"
ACTIONS: dict[str, Action] = {
    "info": Action("PATH", "what a data set holds, in numbers", _info),
    "compact": Action("PATH", "merge many small episode files into few", _compact),
    "index": Action("PATH", "make the index anew from the episode files", _index),
    "verify": Action("PATH", "read everything, and name every file with what is wrong", _verify),
    "convert": Action(
        "SRC [name=NAME] [root=datasets]",
        "a data set in the published folder format",
        job("convert", f"{_INTERCHANGE}:convert", "session", _imported),
        f"{_INTERCHANGE}:ConvertConfig",
        "source",
    ),
    "import-videos": Action(
        "FOLDER name=NAME [actions=FILE] [frame_skip=4]",
        "a folder of videos",
        job("import", f"{_INTERCHANGE}:import_videos", "frame", _imported),
        f"{_INTERCHANGE}:VideoConfig",
        "folder",
    ),
    "report": Action(
        "PATH [out=FILE.html] [games=A,B]",
        "a page that shows how good a data set is",
        job("report", "genieredux.report:write_data_report", "game", _reported),
        "genieredux.report:DataReportConfig",
        "path",
    ),
    "export": Action(
        "PATH format=minari|lerobot|mp4 out=FOLDER",
        "a data set in a format of others",
        job("export", f"{_INTERCHANGE}:export", "episode", _exported),
        f"{_INTERCHANGE}:ExportConfig",
        "path",
    ),
}
