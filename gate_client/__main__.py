"""`python -m gate_client` is `gate-client`."""

from gate_client.cli import main

main()
