"""Speed and reliability against a limit or a peer: one module per claim, run by `python -m benchmarks`."""
