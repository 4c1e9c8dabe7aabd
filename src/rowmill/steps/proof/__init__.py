"""What verify stands on: the oracle, a plain sequential loop without the engine, and what a finished run left."""
