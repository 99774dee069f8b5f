"""Reconciliation: the books held against the contracts, journals, tickets, a bank and tariffs."""
