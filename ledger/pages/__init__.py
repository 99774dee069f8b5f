"""The pages of `ledger serve`: the network and its books in a browser."""
