"""ROM files: where they are kept, whether they are right, and how they come in.

A ROM is what its SHA-1 says. They are the user's own: none is shipped, none is downloaded, and nothing is ever
written into site-packages.
"""

from genieredux.retroact.roms.importing import KINDS, ImportReport, import_roms
from genieredux.retroact.roms.places import add_to_stable_retro, present_roms, rom_path, roms_folder, runnable
from genieredux.retroact.roms.verifying import verify

__all__ = [
    "KINDS",
    "ImportReport",
    "add_to_stable_retro",
    "import_roms",
    "present_roms",
    "rom_path",
    "roms_folder",
    "runnable",
    "verify",
]
