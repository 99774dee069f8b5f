"""Statements: a city's account for a period, in the forms that accountants and their programs read."""
