"""The whole pipeline in one call: play, learn, measure, report."""

from genieredux.demo.config import DemoConfig
from genieredux.demo.pipeline import Made, run_demo

__all__ = ["DemoConfig", "Made", "run_demo"]
