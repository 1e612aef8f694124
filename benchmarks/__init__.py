"""How fast refinfer is, beside the official runtimes: `python -m benchmarks`, or `make bench`."""
