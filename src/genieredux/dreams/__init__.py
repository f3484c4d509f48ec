"""Many dreams at once as environments, and one person's dream. Knows a world through its protocol alone."""
