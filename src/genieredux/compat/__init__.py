"""Bridges to what others wrote before: names, formats, checkpoints. Nothing of the core imports this."""
