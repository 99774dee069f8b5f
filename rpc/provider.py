"""A node that web3 or Ape is connected to: the only module that knows of their providers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3Exception
from web3.providers import AutoProvider

from rpc.node import Node
from rpc.transport import AwayError, HttpTransport, Response


def node_of(web3: Web3) -> Node:
    """The node behind a web3, asked with the same address and headers."""
    provider: Any = web3.provider
    if isinstance(provider, AutoProvider):
        provider = provider._get_active_provider(use_cache=True) or provider
    if isinstance(provider, HTTPProvider):
        headers = dict(provider.get_request_kwargs().get("headers", {}))
        return Node(HttpTransport(str(provider.endpoint_uri), headers={k: str(v) for k, v in headers.items()}))
    return Node(ProviderTransport(provider))


class ProviderTransport:
    """A provider that isn't HTTP's, such as a file that a node listens at: it is asked for one thing at a time."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self.name = type(provider).__name__

    def post(self, body: bytes) -> Response:
        """Send one request, or one after another."""
        asked = json.loads(body)
        found = [self._one(call) for call in asked] if isinstance(asked, list) else self._one(asked)
        return Response(200, json.dumps(found).encode())

    @contextmanager
    def stream(self, body: bytes) -> Iterator[Iterator[bytes]]:
        """The answer as a whole."""
        yield iter([self.post(body).body])

    def _one(self, call: Any) -> Any:
        try:
            answer = dict(self._provider.make_request(call["method"], call["params"]))
        except (Web3Exception, requests.RequestException, OSError) as error:
            raise AwayError(f"no answer ({type(error).__name__})") from None
        return {**answer, "id": call["id"]}
