"""What can be certified, and plan files that are fixed before a candidate is scored."""
