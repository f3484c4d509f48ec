"""Wrong lines of worlds that carry over what was seen."""

from mutants.row import Mutant, of

CANVAS = "models/dynamics/canvas/test_model.py models/world/test_canvas.py"

MUTANTS: tuple[Mutant, ...] = (
    *of(
        "models/dynamics/canvas/sheet.py",
        f"models/dynamics/canvas/test_sheet.py {CANVAS}",
        ("the window moves along", "target = self.offset - shift", "target = self.offset + shift"),
        ("fractions are lost", "self.offset = target - whole", "self.offset = target * 0"),
        (
            "known is written over",
            "(self.known[middle] < 0.5) | (laid[:, 3:] > 0.5)",
            "(self.known[middle] > -1) | (laid[:, 3:] > 0.5)",
        ),
        (
            "changes are not written",
            "put = ((self.known[middle] < 0.5) | (laid[:, 3:] > 0.5))",
            "put = (self.known[middle] < 0.5)",
        ),
        ("linear taps", "near = ((_A + 2) * x - (_A + 3)) * x * x + 1", "near = 1 - x"),
    ),
)
