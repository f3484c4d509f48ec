"""Agent57's networks and formulas, each beside its paper: what plays, and nothing of how it is trained."""
