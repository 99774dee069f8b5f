"""Breadth-first search over all orders of steps, each state once, up to names."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.governance.coalitions import Act, Key, State, Step, Thieves, Wait, canonical
from tests.reference.registry import Refused


@dataclass(slots=True)
class Count:
    """How much was explored."""

    states: int = 0
    transitions: int = 0
    cut: int = 0
    """States whose further waits were left out, because so many had passed."""

    def add(self, other: Count) -> None:
        self.states += other.states
        self.transitions += other.transitions
        self.cut += other.cut


@dataclass(slots=True)
class Node:
    """A state, and how it was reached."""

    state: State
    before: Node | None = None
    step: Step = ()
    waits: int = 0
    key: Key = ()
    is_new: bool = True
    """Whether its state wasn't reached before, or only after more waits."""

    def path(self) -> tuple[Step, ...]:
        """The steps from the start."""
        steps: list[Step] = []
        node: Node | None = self
        while node is not None and node.before is not None:
            steps.append(node.step)
            node = node.before
        return tuple(reversed(steps))


def explore(
    start: State,
    thieves: Thieves,
    steps: Callable[[State], Iterable[Step]],
    *,
    waits: int,
    count: Count,
) -> Iterator[Node]:
    """Each step that can be taken, nearest first, to a state that is new or not; it goes on from the new ones.

    Args:
        waits: how often time may pass on a path.
    """
    first = Node(start, key=canonical(start, thieves))
    seen = {first.key: 0}
    queue = deque([first])
    count.states += 1
    yield first
    while queue:
        node = queue.popleft()
        for step in steps(node.state):
            passed = node.waits + isinstance(step[0], Wait)
            if passed > waits:
                count.cut += 1
                continue
            try:
                after = node.state.after(step)
            except Refused:
                continue
            count.transitions += 1
            key = canonical(after, thieves)
            is_new = seen.get(key, waits + 1) > passed
            reached = Node(after, node, step, passed, key, is_new)
            if is_new:
                count.states += key not in seen
                seen[key] = passed
                queue.append(reached)
            yield reached


def executed_by(node: Node) -> list[int]:
    """The proposals that the last step carried out."""
    return [int(str(act.args[0])) for act in node.step if isinstance(act, Act) and act.name == "execute"]
