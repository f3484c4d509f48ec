"""A reader of actions: a small network that learns from true episodes which action a transition shows."""
