"""Models made elsewhere, read without running code of a file."""
