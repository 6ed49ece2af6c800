"""From recordings to training examples: what a vehicle can tell of a moment after it has seen what came next."""
