"""Tokens and actions so far to the tokens that follow."""
