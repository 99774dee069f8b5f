"""Benchmarks: gas of settling, time of verifying, time of a tap. `python -m bench` (`make bench`) runs them."""
