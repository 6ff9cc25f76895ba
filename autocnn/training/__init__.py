"""Builds and trains one network, and everything else that runs in a worker process."""
