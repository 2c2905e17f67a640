"""What a report would have to state, derived again from its own values."""
