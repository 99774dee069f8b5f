"""The contracts, held to protocol sections 5, 6 and 7. See README.md."""
