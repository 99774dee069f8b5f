"""The gate: reads codes, decides offline, journals every tap, and settles the rides later.

`gate-client` (:mod:`gate_client.cli`) is the command; :mod:`gate_client.gate` is the way of one code
through the gate, :mod:`gate_client.submitter` the way of a ride to the chain.
"""
