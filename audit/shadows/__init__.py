"""The shadow bank of an audit, and the scores that it gives."""
