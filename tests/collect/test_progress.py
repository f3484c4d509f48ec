"""Progress: one line over all games, with a rate and the time left."""

import io
import logging

from rich.console import Console

from genieredux.collect import DisplayReporter, SilentReporter, Standing, collect
from genieredux.runs import progress


class Listener(SilentReporter):
    def __init__(self):
        self.heard = []

    def update(self, standing):
        self.heard.append(standing)


def standing(**values):
    usual = {"frames": 500, "expected": 1000, "played": 500, "episodes": 5, "games_done": 1, "games": 2}
    return Standing(**{**usual, "seconds": 10.0, **values})


def test_standings_grow_and_end_with_everything(small, inline):
    listener = Listener()
    summary = collect(small(workers=2, games=("Fake", "Other")), listener, inline)
    heard = listener.heard
    assert heard[0].played == heard[0].frames == 0
    assert heard[0].expected == 2 * 21 * 41  # before anything is known: every episode may be of the longest
    assert [one.frames for one in heard] == sorted(one.frames for one in heard)
    last = heard[-1]
    assert last.frames == last.expected == last.played == summary.frames
    assert (last.games_done, last.games, last.episodes) == (2, 2, summary.episodes)
    again = Listener()
    collect(small(workers=2, games=("Fake", "Other")), again, inline)
    assert again.heard[-1].played == 0
    assert again.heard[0].frames == again.heard[0].expected == summary.frames


def test_rate_and_time_left():
    assert standing().rate == 50.0
    assert standing().seconds_left == 10.0
    assert "1 of 2 games, 500 of about 1,000 frames, 50 frames/s, 0:10 left" in str(standing())
    assert str(standing(played=0)).endswith("? left")


def test_plain_lines_come_now_and_then(caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with DisplayReporter(Console(file=io.StringIO())) as reporter:
        for now[0] in (0.1, 0.2, 3.0, 5.2, 5.3, 9.0, 10.3, 11.0):
            reporter.update(standing(frames=int(now[0] * 50)))
    shown = [line.split(" frames")[0].rsplit(" of about", 1)[0].split(", ")[1] for line in caplog.messages]
    assert shown == ["5", "260", "515", "550"]


def test_a_terminal_shows_a_bar():
    console = Console(force_terminal=True, width=140, record=True)
    with DisplayReporter(console) as reporter:
        reporter.update(standing())
    text = console.export_text()
    assert "50%" in text
    assert "1 of 2 games, 500 of about 1,000 frames, 50 frames/s, 0:10 left" in text
