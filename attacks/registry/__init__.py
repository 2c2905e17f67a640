"""Which attacks there are, what each needs, and what it is given."""
