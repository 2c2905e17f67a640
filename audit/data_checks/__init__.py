"""Whether data and models are what they are said to be."""
