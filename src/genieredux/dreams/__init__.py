"""Many dreams at once as environments, and one person's dream. Knows a world through its protocol alone.

Importing this registers `genieredux/Dream-v0` with Gymnasium.
"""

import gymnasium

ENV_ID = "genieredux/Dream-v0"

if ENV_ID not in gymnasium.registry:
    gymnasium.register(
        ENV_ID,
        entry_point="genieredux.dreams.env:DreamEnv",
        vector_entry_point="genieredux.dreams.env:DreamVectorEnv",
    )
