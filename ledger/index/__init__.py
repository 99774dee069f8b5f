"""The index: what the chain says, in tables, read a block after another and checked before it is kept."""
