"""Events of a long range of blocks, in pieces as large as the node takes them.

Providers limit a piece by blocks, by results or by time, and say so each in another way: with an error, with a status
of HTTP, or by answering nothing that can be read. Whatever a node refuses is asked for again in smaller pieces, down to
a block at a time; what it takes makes the next piece larger.
"""

from collections.abc import Iterator
from typing import Final

from interline.settlements import ChainLog
from rpc.answers import logs
from rpc.blooms import NEWEST, require_all
from rpc.errors import BadAnswerError, NodeAwayError, NodeBehindError, RpcError
from rpc.node import Node
from rpc.wanted import Wanted

FIRST_PIECE: Final = 10_000
"""Blocks."""
LARGEST_PIECE: Final = 100_000
_SMALLER: Final = 4  # a piece that was refused is divided by this
_MORE: Final = 4  # times as much is tried
_AGAIN: Final = 2
_MOST_PATIENCE: Final = 64


class Pieces:
    """How large a piece is asked for next: it finds a node's limit, and goes on trying whether there still is one.

    A limit of blocks stays; one of results or of time is another where there is less: more is tried after two pieces
    at the limit, and after twice as many each time that it was tried in vain.
    """

    def __init__(self, first: int = FIRST_PIECE, most: int = LARGEST_PIECE) -> None:
        self.size = first
        self._most = most
        self._limit = most  # a larger one was refused
        self._good = 0  # the largest that was taken under this limit
        self._at_limit = 0
        self._patience = _AGAIN
        self._trying = False

    def taken(self, size: int) -> None:
        """The node took a piece of so many blocks."""
        if size < self.size:
            return  # the last one of a range, which says nothing of larger ones
        if self._trying:
            self._patience, self._trying = _AGAIN, False
        self._good = size
        if size < self._limit:
            self.size = min(2 * size, self._limit) if self._limit == self._most else (size + self._limit + 1) // 2
            return
        self._at_limit += 1
        if self._at_limit >= self._patience and size < self._most:
            self._limit, self._at_limit, self._trying = min(_MORE * size, self._most), 0, True
            self.size = self._limit

    def refused(self, size: int) -> None:
        """The node didn't take a piece of so many blocks, which were more than one."""
        if self._good >= size:
            self._good = 0  # there is more in these blocks than in those before
        self._limit, self._at_limit = size - 1, 0
        if self._trying:
            self._patience, self._trying = min(2 * self._patience, _MOST_PATIENCE), False
            self._limit = self._good or self._limit
        self.size = self._good or max(size // _SMALLER, 1)


def read_logs(
    node: Node, wanted: Wanted, first: int, last: int, *, newest: int | None = None, pieces: Pieces | None = None
) -> Iterator[tuple[int, list[ChainLog]]]:
    """The events of a range of blocks, both included, in the chain's order, piece by piece.

    Args:
        newest: number of the newest block there is; `last` where it isn't given.

    Returns: for each piece its last block's number, and its events.

    Raises:
        NodeAwayError: the node doesn't answer.
        NodeRefusalError: it doesn't even answer for one block.
        BadAnswerError: what it answers are no logs, or not those that were asked for.
        NodeBehindError: it leaves out some that there are, of the newest blocks.
    """
    pieces = pieces or Pieces()
    while first <= last:
        size = min(pieces.size, last - first + 1)
        end = first + size - 1
        try:
            found = ask_logs(node, wanted, first, end, last if newest is None else newest)
        except RpcError as error:
            if size == 1 or not _may_take_less(node, error):
                raise
            pieces.refused(size)
            continue
        pieces.taken(size)
        yield end, found
        first = end + 1


def _may_take_less(node: Node, error: RpcError) -> bool:
    """Whether a node that didn't answer for many blocks may answer for fewer: not one that doesn't answer at all."""
    if not isinstance(error, NodeAwayError):
        return not isinstance(error, NodeBehindError)
    try:
        node.ask("eth_chainId")
    except RpcError:
        return False
    return True


def ask_logs(node: Node, wanted: Wanted, first: int, last: int, newest: int) -> list[ChainLog]:
    """The events of a range of blocks, both included, in the chain's order, asked for at once.

    Args:
        newest: number of the newest block there is: those of the last ones are held against the blocks' headers.

    Raises RpcError, also where the node finds that too much, or leaves some out.
    """
    asked = f"{node.name}, logs of the blocks {first} to {last}"
    found = logs(node.ask("eth_getLogs", wanted.filter(first, last)), asked)
    for one in found:
        if not wanted.has(one, first, last):
            raise BadAnswerError(asked, f"came one that wasn't asked for, of block {one.block}")
    by_place = {(one.block, one.place): one for one in found}
    if len(by_place) != len(found):
        raise BadAnswerError(asked, "came two with one place in their block")
    since = max(first, newest - NEWEST)
    if since <= last:
        require_all(node, wanted, since, last, [one for one in found if one.block >= since])
    return [by_place[place] for place in sorted(by_place)]
