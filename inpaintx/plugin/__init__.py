"""The door: the contract of a method, hooks, the registry, trainers and weights."""
