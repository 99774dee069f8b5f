"""What contracts say, decoded by their ABIs: the one decoder of all programs, for events, answers, calls and errors.

Two kinds of wrong are kept apart. *Content* is what members and strangers can put on the chain: a name that isn't
UTF-8, an address of 100 kB, a time in the year 36812, a proposal's calldata. It never raises: texts come out as
`interline.safe_text` shows them, calldata that is no call as None. *Structure* is what the contract's compiler makes,
and no member can bend: lengths, offsets, the number of topics, the range of a uint16. Where it is broken, the node
doesn't tell what the contract said, and ChainDataError says so.

Values are ints, bools, checksummed addresses, bytes, safe text, lists for arrays and tuples for structs.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from eth_abi.abi import encode

from interline.contracts import CONTRACTS, load_abi
from interline.errors import ChainDataError
from interline.hashing import keccak256
from interline.safe_text import short_hex, text_of
from interline.signatures import to_checksum

Parameter = Mapping[str, Any]
"""An input or output as an ABI has it: `type`, `name`, and `components` if it is a struct."""
Entry = Mapping[str, Any]
"""A function, event or error as an ABI has it."""

_WORD: Final = 32
_SELECTOR: Final = 4
_ARRAY: Final = re.compile(r"(.+)\[(\d*)\]")
_STRING_ERROR: Final = keccak256(b"Error(string)")[:_SELECTOR]
_PANIC: Final = keccak256(b"Panic(uint256)")[:_SELECTOR]


# ---------------------------------------------------------------- signatures


def type_of(parameter: Parameter) -> str:
    """The type of a parameter as signatures have it: a struct's is those of its fields."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(map(type_of, parameter['components']))}){kind.removeprefix('tuple')}"


def signature_of(entry: Entry) -> str:
    """Such as `Approved(uint256,uint16)`."""
    return f"{entry['name']}({','.join(map(type_of, entry['inputs']))})"


def topic_of(entry: Entry) -> bytes:
    """The first topic of an event, 32 bytes; its first 4 are the selector of a function or an error."""
    return keccak256(signature_of(entry).encode("ascii"))


@cache
def function_entry(contract: str, function: str) -> Entry:
    """The ABI's entry of a function; none of ours shares its name with another of its contract."""
    return next(entry for entry in load_abi(contract) if entry["type"] == "function" and entry["name"] == function)


@cache
def event_entry(contract: str, event: str) -> Entry:
    """The ABI's entry of an event."""
    return next(entry for entry in load_abi(contract) if entry["type"] == "event" and entry["name"] == event)


@cache
def _entries(contract: str, kind: str) -> Mapping[bytes, Entry]:
    """A contract's functions, events or errors, by their topics or selectors."""
    length = _WORD if kind == "event" else _SELECTOR
    return {topic_of(entry)[:length]: entry for entry in load_abi(contract) if entry["type"] == kind}


# ---------------------------------------------------------------- calls and their answers


def encode_call(contract: str, function: str, *arguments: Any) -> bytes:
    """Calldata of a function of one of our contracts."""
    entry = function_entry(contract, function)
    return topic_of(entry)[:_SELECTOR] + encode([type_of(one) for one in entry["inputs"]], arguments)


def decode_answer(contract: str, function: str, data: bytes) -> Any:
    """What a function returned: its one value, or a tuple of them.

    Raises:
        ChainDataError: it can't have returned that.
    """
    try:
        values = decode(function_entry(contract, function)["outputs"], data)
    except ChainDataError as error:
        raise ChainDataError(f"{contract}.{function}: {error}") from None
    return values[0] if len(values) == 1 else tuple(values)


def decode_call(contract: str, data: bytes) -> tuple[Entry, tuple[Any, ...]] | None:
    """The function of a contract that calldata calls, and its arguments; None where it is no such call.

    Data that says more or less than the call needs is none: what can't be made again from what was read wasn't read.
    Texts needn't be UTF-8: the contract takes them as they are, so such a call can be carried out.
    """
    entry = _entries(contract, "function").get(data[:_SELECTOR])
    if entry is None:
        return None
    rest = data[_SELECTOR:]
    try:
        raw = decode(entry["inputs"], rest, text=bytes)
        values = decode(entry["inputs"], rest)
    except ChainDataError:
        return None
    if encode([type_of(one).replace("string", "bytes") for one in entry["inputs"]], raw) != rest:
        return None
    return entry, tuple(values)


# ---------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class DecodedEvent:
    """An event of a contract: its ABI's entry, and its arguments by their names."""

    entry: Entry
    arguments: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Such as `Approved`."""
        return str(self.entry["name"])

    def to_json(self) -> dict[str, Any]:
        """The arguments as JSON has them: bytes as 0x…, structs by the names of their fields."""
        return {one["name"]: as_json(one, self.arguments[one["name"]]) for one in self.entry["inputs"]}


def decode_event(contract: str, topics: Sequence[bytes], data: bytes) -> DecodedEvent | None:
    """An event of one of our contracts; None where its ABI has none with this first topic.

    Raises:
        ChainDataError: the contract can't have emitted that.
    """
    entry = _entries(contract, "event").get(topics[0]) if topics else None
    if entry is None:
        return None
    try:
        return DecodedEvent(entry, _arguments(entry, topics[1:], data))
    except ChainDataError as error:
        raise ChainDataError(f"{contract}.{entry['name']}: {error}") from None


def event_topics(contract: str, event: str, arguments: Mapping[str, Any]) -> list[bytes | None]:
    """The topics of a question for events of one kind whose indexed arguments are as given; None for any."""
    entry = event_entry(contract, event)
    indexed = [one for one in entry["inputs"] if one["indexed"]]
    given = [encode([one["type"]], [arguments[one["name"]]]) if one["name"] in arguments else None for one in indexed]
    return [topic_of(entry), *given]


def _arguments(entry: Entry, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
    inputs: Sequence[Parameter] = entry["inputs"]
    plain = [one for one in inputs if not one["indexed"]]
    if len(topics) != len(inputs) - len(plain) or any(len(topic) != _WORD for topic in topics):
        raise ChainDataError(f"expected {1 + len(inputs) - len(plain)} topics of 32 bytes, found {1 + len(topics)}")
    if not any(map(_is_dynamic, plain)) and len(data) != sum(map(_head_bytes, plain)):
        raise ChainDataError(f"expected {sum(map(_head_bytes, plain))} bytes of data, found {len(data)}")
    values, indexed = iter(decode(plain, data)), iter(topics)
    return {one["name"]: decode([one], next(indexed))[0] if one["indexed"] else next(values) for one in inputs}


# ---------------------------------------------------------------- errors


@dataclass(frozen=True, slots=True)
class DecodedError:
    """What a contract refused a call with. `arguments` is empty where they can't be read."""

    name: str
    signature: str
    """Its name and types, such as `NotPassed(uint256,uint256,uint256)`."""
    arguments: Mapping[str, Any]
    malformed: str = ""
    """`malformed: 0x…` where the arguments can't be read."""


def decode_error(data: bytes, contracts: Sequence[str] = CONTRACTS) -> DecodedError | None:
    """The error of one of our contracts, or of Solidity, in what a call was refused with; None where it is another.

    Anyone's contract can answer a proposal's call with anything: that never raises.
    """
    selector, rest = data[:_SELECTOR], data[_SELECTOR:]
    solidity = {_STRING_ERROR: ("Error", "string", "reason"), _PANIC: ("Panic", "uint256", "code")}
    entry: Entry | None = None
    if selector in solidity:
        name, kind, argument = solidity[selector]
        entry = {"name": name, "inputs": [{"name": argument, "type": kind}]}
    for contract in contracts:
        entry = entry or _entries(contract, "error").get(selector)
    if entry is None:
        return None
    names = [one["name"] for one in entry["inputs"]]
    try:
        values = decode(entry["inputs"], rest)
    except ChainDataError:
        return DecodedError(entry["name"], signature_of(entry), {}, malformed(data))
    return DecodedError(entry["name"], signature_of(entry), dict(zip(names, values, strict=True)))


def malformed(data: bytes) -> str:
    """What is shown in the place of data that can't be read."""
    return f"malformed: {short_hex(data)}"


# ---------------------------------------------------------------- values


def as_json(parameter: Parameter, value: Any) -> Any:
    """A decoded value as JSON has it: bytes as 0x…, structs by the names of their fields."""
    array = _ARRAY.fullmatch(parameter["type"])
    if array is not None:
        return [as_json({**parameter, "type": array[1]}, one) for one in value]
    if parameter["type"] == "tuple":
        return {one["name"]: as_json(one, part) for one, part in zip(parameter["components"], value, strict=True)}
    return f"0x{value.hex()}" if isinstance(value, bytes) else value


def decode(parameters: Sequence[Parameter], data: bytes, text: Callable[[bytes], Any] = text_of) -> list[Any]:
    """Values by an ABI's parameters, from the bytes of their encoding; what follows them doesn't matter.

    Args:
        text: makes a string's value of its bytes.

    Raises:
        ChainDataError: an offset or a length leads out of the data, or a word is none of its type.
    """
    return _Decoder(data, text).values(parameters, 0)


class _Decoder:
    """Goes through data once: parts that several offsets lead to count each time, and there are no more than fit."""

    def __init__(self, data: bytes, text: Callable[[bytes], Any]) -> None:
        self._data = data
        self._text = text
        self._left = len(data) + _WORD

    def values(self, parameters: Sequence[Parameter], base: int) -> list[Any]:
        """Values that stand one after another; offsets count from `base`."""
        found, at = [], base
        for parameter in parameters:
            if _is_dynamic(parameter):
                found.append(self._value(parameter, base + self._number(at)))
            else:
                found.append(self._value(parameter, at))
            at += _head_bytes(parameter)
        return found

    def _value(self, parameter: Parameter, at: int) -> Any:
        kind = parameter["type"]
        array = _ARRAY.fullmatch(kind)
        if array is not None:
            return self._array({**parameter, "type": array[1]}, array[2], at)
        if kind == "tuple":
            return tuple(self.values(parameter["components"], at))
        if kind in ("bytes", "string"):
            content = self._bytes(at + _WORD, self._number(at))
            return content if kind == "bytes" else self._text(content)
        return _static(kind, self._bytes(at, _WORD))

    def _array(self, element: Parameter, count: str, at: int) -> list[Any]:
        number = int(count) if count else self._number(at)
        start = at if count else at + _WORD
        if number * _head_bytes(element) > len(self._data) - start:
            raise ChainDataError(f"expected an array that fits into {len(self._data)} bytes, found one of {number}")
        return self.values([element] * number, start)

    def _number(self, at: int) -> int:
        return int.from_bytes(self._bytes(at, _WORD), "big")

    def _bytes(self, at: int, length: int) -> bytes:
        if length > len(self._data) - at:
            raise ChainDataError(f"expected {length} bytes from byte {at} on, found {len(self._data)} in all")
        self._left -= length
        if self._left < 0:
            raise ChainDataError("expected each part of the data once, found some several times")
        return self._data[at : at + length]


def _static(kind: str, word: bytes) -> Any:
    """The value of a type of one word."""
    number = int.from_bytes(word, "big")
    if kind.startswith("bytes"):
        size = int(kind[5:])
        return word[:size] if not any(word[size:]) else _outside(kind, number)
    if kind == "address":
        return to_checksum(word[12:]) if number < 2**160 else _outside(kind, number)
    if kind == "bool":
        return bool(number) if number < 2 else _outside(kind, number)
    if kind.startswith("uint"):
        return number if number < 2 ** int(kind[4:] or 256) else _outside(kind, number)
    if kind.startswith("int"):
        signed, half = int.from_bytes(word, "big", signed=True), 2 ** (int(kind[3:] or 256) - 1)
        return signed if -half <= signed < half else _outside(kind, number)
    raise ValueError(f"expected a type of the contracts' ABIs, got {kind!r}")


def _outside(kind: str, number: int) -> Any:
    raise ChainDataError(f"expected a value of {kind}, found 0x{number:064x}")


def _is_dynamic(parameter: Parameter) -> bool:
    """Whether it stands behind an offset."""
    kind = parameter["type"]
    array = _ARRAY.fullmatch(kind)
    if array is not None:
        return not array[2] or _is_dynamic({**parameter, "type": array[1]})
    return kind in ("bytes", "string") or (kind == "tuple" and any(map(_is_dynamic, parameter["components"])))


def _head_bytes(parameter: Parameter) -> int:
    """How many bytes it takes where it stands: an offset's, or its own."""
    if _is_dynamic(parameter):
        return _WORD
    array = _ARRAY.fullmatch(parameter["type"])
    if array is not None:
        return int(array[2]) * _head_bytes({**parameter, "type": array[1]})
    if parameter["type"] == "tuple":
        return sum(map(_head_bytes, parameter["components"]))
    return _WORD
