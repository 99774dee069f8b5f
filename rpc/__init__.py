"""Talking to a chain's node by JSON-RPC: one home for all programs.

    node = Node.at("http://127.0.0.1:8545")
    block = node.head()
    for logs in read_logs(node, Wanted(addresses, topics), first, block.number): ...

A node is untrusted: what it answers is taken apart here, and what can't be is an error that says which node was asked,
what for, and what came. What the answers mean is for the packages that ask.
"""

from rpc.errors import BadAnswerError, BadReturnError, NodeAwayError, NodeBehindError, NodeRefusalError, RpcError
from rpc.logs import ask_logs, read_logs
from rpc.node import Node
from rpc.reads import Answer, Read, Reads, read, read_all
from rpc.wanted import Wanted

__all__ = [
    "Answer",
    "BadAnswerError",
    "BadReturnError",
    "Node",
    "NodeAwayError",
    "NodeBehindError",
    "NodeRefusalError",
    "Read",
    "Reads",
    "RpcError",
    "Wanted",
    "ask_logs",
    "read",
    "read_all",
    "read_logs",
]
