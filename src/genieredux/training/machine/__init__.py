"""Where a training computes: processes and devices, split weights, what is compiled or remembered, how fast."""
