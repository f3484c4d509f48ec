"""The words of the labels and what they mean. The words are RetroAct's; the meanings were read off its games.

Knows no game.
"""

VIEWS = {
    "side": "seen from the side",
    "top": "seen from straight above",
    "3p": "seen from behind or from obliquely above, the player in the picture",
    "1p": "seen through the player's eyes",
    "multi": "several of these in one game",
}
"""Where the camera is."""

MOTIONS = {
    "free": "both axes, or an axis and a jump",
    "h": "left and right",
    "v": "up and down",
    "fixed": "the player stays in place",
    "tube": "around the edge of a tube",
}
"""Along which axis of the picture the player moves by steering; scrolling by itself does not count."""

GENRES = {
    "pl": "platformer: walk, jump, climb",
    "pl_fly": "platformer in which the player flies",
    "space_shooter": "a craft or a gun against swarms",
    "shooter": "on foot or on the ground, with a weapon",
    "fight": "duels and beat 'em ups",
    "action": "action of another kind",
    "sport": "ball games, athletics",
    "race": "races",
    "maze": "corridors to run through",
    "grid": "moves on the squares of a board",
    "pong": "a paddle and a ball",
    "pinball": "pinball",
    "tetris": "falling blocks",
    "sim": "simulators",
    "other": "none of these",
}
"""What one does in the game."""

CONTROLS = ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP", "ACTION_SECONDARY", "transition", "Background_Changes")
"""The eight columns of RetroAct's control table, in its order and words: what four directions and two buttons do,
whether levels have transitions, and whether the background changes."""

RETROACT = "RetroAct v0.1"
"""Who labelled the 974 games of the published table (Savov et al. 2025, MIT)."""

OURS = "GenieRedux"
"""Who labelled the games that the published table lacks."""
