"""Building blocks that several methods share: batches, steps, phases, losses, gradients."""
