"""`python run.py VERB ...` from a checkout is the installed program `genieredux VERB ...`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from genieredux.cli.main import main

if __name__ == "__main__":
    main()
