"""The Interline protocol, version 1, in Python: bytes, hashes, signatures, and the files that describe a city.

No network, no database, no ape, no web3: whoever needs one of those stands on top of this package.
"""
