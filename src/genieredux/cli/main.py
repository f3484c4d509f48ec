"""`genieredux VERB ...`: find the verb, run it, turn what a user can mend into one line and exit code 2."""

import contextlib
import logging
import os
import sys
from collections.abc import Sequence

from genieredux import __version__
from genieredux.cli.screen import say
from genieredux.cli.verbs import find
from genieredux.errors import UserError

USAGE = """\
usage: genieredux VERB [key=value ...]

  demo                      play, learn, measure and report, end to end (config=quickstart/coinrun)
  generate                  play games and store the episodes          generate config=quickstart/airstriker
  genie_redux train|eval    train a tokenizer or a world, or measure   genie_redux train config=tokenizer
  report RUN...             compare evaluated runs on one page         report outputs/evaluation
  play                      walk in a world in the browser             play world=FILE port=8765 browser=false
  data info|compact|index PATH      describe, merge or re-index a data set
  data report PATH                  how good a data set is, game by game, as a page to look at
  data convert|import-videos|export bring data in and out           data import-videos FOLDER name=mygame
  retroact list|show|import-roms|verify|coverage    which games there are, and their ROMs
  checkpoint info|import|export     look into a model file, take over a published one, write it for the Hub
  doctor [config=NAME]      this machine, or what a training run would take on it: time, memory, disk
  metrics list|check|convert-i3d    which pretrained metrics can be measured here

`genieredux VERB --help` shows a verb's configurations and keys. Any key of a configuration can be set:
key=value."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. Codes: 0 done, 1 a defect, 2 bad input, 130 Ctrl-C, 143 SIGTERM."""
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(words: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", handlers=[_News()])
    logging.getLogger("genieredux").setLevel(logging.INFO)
    if not words or words[0] in ("-h", "--help", "help"):
        say(USAGE)
        return 0 if words else 2
    if words[0] == "--version":
        say(f"genieredux {__version__}")
        return 0
    try:
        find(words[0])(list(words[1:]))
    except UserError as error:
        sys.stderr.write(f"genieredux: error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("genieredux: interrupted; the same command goes on from what is saved\n")
        return 130
    return 0


class _News(logging.Handler):
    """Log lines go to stderr, whatever it is by then: a bar that is shown there puts them above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody reads any more
            sys.stderr.write(self.format(record) + "\n")
