"""A run by a state machine that is deployed: an execution is started or attached to, followed, and told of."""
