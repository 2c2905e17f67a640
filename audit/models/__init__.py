"""Models that an audit makes, keeps and reads."""
