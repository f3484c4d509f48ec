"""Makes `toy_games` importable by name, in worker processes too: a game is configured by its entry point."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
