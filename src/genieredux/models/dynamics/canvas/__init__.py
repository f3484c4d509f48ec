"""A dynamics that carries over what was seen and draws only what is new (docs/canvas.md)."""
