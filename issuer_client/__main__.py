"""`python -m issuer_client` is `issuer-client`."""

from issuer_client.cli import main

main()
