"""The second mode of the verdict: evidence over examples where retrains are few."""
