"""The story of eleven cities, and then thirteen, on an embedded chain: `make demo`."""
