"""A world as a folder of static files: it runs in the visitor's own browser, without any program of ours beside it."""

from genieredux.play.web.folder import WebExport, write_web

__all__ = ["WebExport", "write_web"]
