"""Tokenizer, dynamics and action names as one object that is rolled out and dreamed in."""
