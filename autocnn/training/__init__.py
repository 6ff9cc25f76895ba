"""Train one network, and all else that runs in a worker: predictions, candidates, probes."""
