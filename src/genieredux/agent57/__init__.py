"""Agent57: trained, measured, and played. The networks and their formulas are in `genieredux.models.agent57`."""
