"""From evidence to outcome, reasons and sentences."""
