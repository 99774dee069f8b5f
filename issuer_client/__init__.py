"""The home city's side: a ticket office, and a wallet for tests and demos.

`issuer-client` (:mod:`issuer_client.cli`) is the command; :mod:`issuer_client.office` issues tickets,
:mod:`issuer_client.wallet` holds rider keys and makes codes, :mod:`issuer_client.qr` draws them. Nothing in
this package uses a network.
"""
