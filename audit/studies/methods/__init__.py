"""Two measures of a method rather than of a model: the SWAP test and forgetting quality."""
