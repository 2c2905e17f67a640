"""Floor 4: policy, verdict, power, report, the whole audit, and the command ``vestige``."""
