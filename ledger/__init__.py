"""The books of the Clearinghouse, read from the chain: what each city holds, and the proof that it adds up."""
