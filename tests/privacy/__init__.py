"""The privacy claim, both sides of it: an issuer's feed, and a linker that has the chain alone."""
