"""Shadow banks: design, making, files and checks."""
