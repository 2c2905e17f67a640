"""A whole audit from request to report."""
