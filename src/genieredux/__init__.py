"""GenieRedux: turn any game emulator into a generative interactive environment."""

__version__ = "0.1.0"
