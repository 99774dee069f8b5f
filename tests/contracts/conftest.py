"""The story's people and places. Each test starts from the same world, and leaves it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from interline.domain import Domain
from network.chain import Chain
from tests.contracts import story
from tests.contracts.corrections import Corrections
from tests.contracts.node import Contract, Node
from tests.contracts.story import City, World, build_world

CHAIN_ID = 31337
"""That of the vectors."""


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """A chain whose clock moves by a second with each block, or as a test says."""
    extra = ("--timestamp", str(story.OPENING - 1), "--auto-impersonate", "--no-mining")
    with Chain(block_time=None, chain_id=CHAIN_ID, extra=extra) as chain:
        node = Node(chain)
        node.request("anvil_setBlockTimestampInterval", 1)
        yield node


@pytest.fixture(scope="session")
def built(node: Node) -> World:
    return build_world(node)


@pytest.fixture(autouse=True)
def world(built: World) -> Iterator[World]:
    """The contracts and what people do with them; all undone after the test."""
    with built.node.rolled_back():
        yield built


@pytest.fixture
def consortium(world: World) -> Contract:
    return world.consortium


@pytest.fixture
def registry(world: World) -> Contract:
    return world.registry


@pytest.fixture
def token(world: World) -> Contract:
    return world.token


@pytest.fixture
def clearinghouse(world: World) -> Contract:
    return world.clearinghouse


@pytest.fixture
def refunds(world: World) -> Contract:
    return world.refunds


@pytest.fixture
def domain(world: World) -> Domain:
    return world.domain


@pytest.fixture
def shanghai() -> City:
    """A founder with money."""
    return story.SHANGHAI


@pytest.fixture
def hangzhou() -> City:
    """A founder; the operator, where nothing else is said."""
    return story.HANGZHOU


@pytest.fixture
def ningbo() -> City:
    """A founder that has deposited nothing."""
    return story.NINGBO


@pytest.fixture
def xuzhou() -> City:
    """The youngest member; the issuer, where nothing else is said."""
    return story.XUZHOU


@pytest.fixture
def lanzhou() -> City:
    """A city that was never a member."""
    return story.LANZHOU


@pytest.fixture
def bank() -> str:
    """The account that mints the settlement token."""
    return story.BANK_ACCOUNT


@pytest.fixture
def deployer() -> str:
    """The account that deployed the contracts, and has no power over them."""
    return story.DEPLOYER_ACCOUNT


@pytest.fixture
def stranger() -> str:
    """An account of nobody's; it relays batches, and tries its luck."""
    return story.STRANGER


@pytest.fixture
def corrections(world: World) -> Corrections:
    """Refunds and disputes, and what the cities do with them."""
    return Corrections(world)
