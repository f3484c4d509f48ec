"""What rows are called, and what else a subject may offer. A row is a film that stands beside the true one."""

TRUTH = "truth"
MODEL, REPEAT_LAST, TOKENIZER_ONLY = "model", "repeat_last", "tokenizer_only"
RANDOM_ACTIONS, RANDOM_FRAME, HELD = "random_actions", "random_frame", "held"
OTHER_CODE, REPEAT_PREVIOUS = "other_code", "repeat_previous"

GENIE, LAST_ACTION = "genie", "last_action"
"""Rows of delta PSNR: its two definitions."""

COUNTERFACTUAL, ENTROPY, TOKENS, ACTIONS, CODES = "counterfactual", "entropy", "tokens", "actions", "codes"
"""What a subject may offer besides rows, in the words of `About.needs`."""
