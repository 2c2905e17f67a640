"""Reports read back, recomputed, compared and written for CI."""
