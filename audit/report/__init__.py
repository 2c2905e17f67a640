"""``report.html`` and figures, made from a report."""
