"""The tests under other clocks and in other time zones: `make test-clock`."""
