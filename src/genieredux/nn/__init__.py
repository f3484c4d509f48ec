"""Mathematics of networks: attention, positions, space-time blocks, quantisers. No game, file or trainer."""
