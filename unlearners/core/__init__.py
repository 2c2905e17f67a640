"""What every method rests on: the contract, the task, the cost meter, the registry, defaults."""
