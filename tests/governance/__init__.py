"""Every coalition of stolen keys, and what it can reach: the reference model explored exhaustively. See README.md."""
