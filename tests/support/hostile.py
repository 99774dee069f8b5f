"""Hostile values: what members and strangers can put on the chain, for every text, bytes and time of the contracts.

    for data, what in hostile_answers("CityRegistry", "city"): ...   # what the function may return
    for topics, data, what in hostile_events("CityRegistry", event_entry("CityRegistry", "CityAdmitted")): ...
    for data, what in hostile_calls("CityRegistry"): ...             # calldata that somebody may propose

What there is to fill in comes from the ABIs: a new event or function is covered as it is, and one with a type that
isn't known here raises, so that a test fails.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from eth_abi.abi import encode

from interline.chain_data import Entry, Parameter, function_entry, topic_of, type_of
from interline.contracts import load_abi
from interline.hashing import keccak256

BIDI: Final = "‪‫‬‭‮⁦⁧⁨⁩‎‏؜"
TEXTS: Final[Mapping[str, bytes]] = {
    "honest": b"Shanghai",
    "honest in Chinese": "上海".encode(),
    "not UTF-8": b"Shanghai\xff\xfe",
    "cut in a character": "杭州".encode()[:-1],
    "a surrogate": b"\xed\xa0\x80",
    "an overlong NUL": b"Hang\xc0\x80zhou",
    "beyond Unicode": b"\xf4\x90\x80\x80",
    "empty": b"",
    "blanks": b"   ",
    "a blank at the end": b"Shanghai ",
    "two blanks": b"Shang  hai",
    "a fixed blank": "Shang\N{NO-BREAK SPACE}hai".encode(),
    "NUL": b"Shang\0hai",
    "newlines": b"Shanghai\r\n3301,Hangzhou\n",
    "Unicode's newlines": "Shang\N{LINE SEPARATOR}hai\N{PARAGRAPH SEPARATOR}\N{NEXT LINE}".encode(),
    "control characters": bytes(range(1, 32)) + b"\x7f",
    "a terminal's escapes": b"\x1b[2J\x1b[31mred\x1b]0;title\x07\x1b]8;;https://evil.example\x1b\\link\x1b[8m",
    "a terminal's escapes in C1": "\x9b2J\x9d0;title\x9c".encode(),
    "other direction": f"{BIDI}iahgnahS".encode(),
    "zero width": "Shang\N{ZERO WIDTH SPACE}\N{WORD JOINER}\N{ZERO WIDTH JOINER}hai\N{SOFT HYPHEN}".encode(),
    "a byte order mark": "\N{ZERO WIDTH NO-BREAK SPACE}Shanghai".encode(),
    "invisible letters": "Shang\u3164\u2800\u115f\ufe0f\U000e0100hai".encode(),
    "tags": "Shanghai\U000e0041\U000e0042".encode(),
    "no characters": "a\ufffe\uffff\U0010ffff".encode(),
    "private use": "a\ue000\U000f0000".encode(),
    "combining flood": ("a" + "\u0301\u0489" * 500).encode(),
    "combining first": "\u0301Shanghai".encode(),
    "beyond the basic plane": "\N{METRO}\U0002a6d6".encode(),
    "script": b"<script>alert(1)</script><img src=x onerror=alert(1)>",
    "an attribute's end": b"\"' onmouseover='alert(1)' x=\"",
    "a template": b"{{ 7 * 7 }}{% for x in y %}${7*7}#{7*7}",
    "a format": b"{city} {0} %s %(x)d {",
    "an address that runs": b"javascript:alert(1)",
    "XML": b']]><!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]>&y;&#0;',
    "formula =": b'=HYPERLINK("https://evil.example","pay")',
    "formula +": b"+cmd|' /C calc'!A0",
    "formula -": b"-2+3",
    "formula @": b"@SUM(1+1)",
    "formula after a tab": b"\t=1+1",
    "formula of wide characters": "＝1＋1".encode(),
    "markup": b"[bold red]Shanghai[/bold red][link=https://evil.example]x[/link]",
    "markup that ends nothing": b"Shanghai[/red]",
    "a picture's name": b":skull: :smile:",
    "backslashes": b"Shanghai\\xff\\u202e\\",
    "quotes": b'Shanghai"; option "title" "x',
    "JSON": b'","admin":"0x0","x":"',
    "SQL": b"'; DROP TABLE rides; --",
    "a path": b"../../../../etc/passwd",
    "another city's code": b"3301",
    "a sheet's name": b"[a]:*?/\\'",
    "long": b"Shanghai " * 40 + b"!",
    "100 kB": b"A" * 100_000,
    "100 kB that aren't UTF-8": b"\xff" * 100_000,
    "100 kB in the other direction": "\N{RIGHT-TO-LEFT OVERRIDE}".encode() * 33_000,
}
"""Texts, by what is wrong with them; no two are alike."""
BLOBS: Final[Mapping[str, bytes]] = {
    "nothing": b"",
    "a byte": b"\xff",
    "a selector": b"\x01\x02\x03\x04",
    "zeros": bytes(1_000),
    "100 kB": b"\xff" * 100_000,
}
REFERENCES: Final[Mapping[str, bytes]] = {
    name: text[:32].ljust(32, b"\0") for name, text in TEXTS.items() if name not in ("long", "blanks")
} | {"all ones": b"\xff" * 32}
"""Bank references, 32 bytes: texts as banks write them, and what is none."""
YEAR_10000: Final = 253_402_300_800
LARGEST: Final = 2**256 - 1


# ---------------------------------------------------------------- calldata


def spoilt(data: bytes) -> Iterator[tuple[bytes, str]]:
    """Calldata cut short at each word and within one, with a word more, and with each of its words replaced."""
    yield data, "whole"
    for end in range(0, len(data), 16):
        yield data[:end], f"cut after {end} bytes"
    yield data + b"\0", "a byte too much"
    yield data + bytes(32), "a word too much"
    for at in range(4, len(data), 32):
        for value in (0, 1, 31, 2**31, 2**64, 2**255, LARGEST, LARGEST - 31):
            yield data[:at] + value.to_bytes(32, "big") + data[at + 32 :], f"{value:#x} at byte {at}"


def call_of(contract: str, function: str, **known: Any) -> bytes:
    """A call with these arguments, bytes for texts; addresses that aren't among them are nobody's, and all differ."""
    entry = function_entry(contract, function)
    nobodys = (f"0x{keccak256(bytes((number,)))[:20].hex()}" for number in itertools.count())
    values = [
        known[one["name"]]
        if one["name"] in known
        else next(nobodys)
        if one["type"] == "address"
        else hostile_values(one)[0][0]
        for one in entry["inputs"]
    ]
    return topic_of(entry)[:4] + encode_raw(entry["inputs"], values)


def hostile_calls(contract: str) -> Iterator[tuple[bytes, str]]:
    """Calls of each of a contract's functions, with hostile arguments, and spoilt."""
    for entry in load_abi(contract):
        if entry["type"] != "function":
            continue
        selector = topic_of(entry)[:4]
        for at, (values, what) in enumerate(_fillings(entry["inputs"])):
            data = selector + encode_raw(entry["inputs"], values)
            name = f"{contract}.{entry['name']}, {what}"
            if at == 0:
                yield from ((spoiled, f"{name}, {how}") for spoiled, how in spoilt(data))
            else:
                yield data, name


# ---------------------------------------------------------------- events and answers


def hostile_events(contract: str, entry: Entry) -> Iterator[tuple[tuple[bytes, ...], bytes, str]]:
    """Topics and data of an event as the contract can emit it, with each hostile value of each argument."""
    for values, what in _fillings(entry["inputs"]):
        pairs = [*zip(entry["inputs"], values, strict=True)]
        topics = [encode_raw([one], [value]) for one, value in pairs if one["indexed"]]
        plain = [pair for pair in pairs if not pair[0]["indexed"]]
        data = encode_raw([one for one, _ in plain], [value for _, value in plain])
        yield (topic_of(entry), *topics), data, f"{contract}.{entry['name']}, {what}"


def hostile_answers(contract: str, entry: Entry) -> Iterator[tuple[bytes, str]]:
    """What a function can return, with each hostile value of each of its outputs."""
    for values, what in _fillings(entry["outputs"]):
        yield encode_raw(entry["outputs"], values), f"{contract}.{entry['name']}, {what}"


def encode_raw(parameters: Sequence[Parameter], values: Sequence[Any]) -> bytes:
    """The encoding of values, with bytes for texts."""
    return encode([type_of(one).replace("string", "bytes") for one in parameters], values)


def _fillings(parameters: Sequence[Parameter]) -> Iterator[tuple[list[Any], str]]:
    """The first value of each, then one after the other through all of its values."""
    values = [hostile_values(one) for one in parameters]
    first = [one[0][0] for one in values]
    yield first, "first of each"
    for at, (parameter, some) in enumerate(zip(parameters, values, strict=True)):
        for value, what in some[1:]:
            yield [*first[:at], value, *first[at + 1 :]], f"{parameter['name'] or at}: {what}"


def hostile_values(parameter: Parameter) -> list[tuple[Any, str]]:
    """All that can stand in the place of a parameter, and what it is; the first is an honest one.

    Raises:
        ValueError: a type that isn't known here: say what is hostile of it.
    """
    kind = str(parameter["type"])
    array = re.fullmatch(r"(.+)\[\]", kind)
    if array is not None:
        elements = [value for value, _ in hostile_values({**parameter, "type": array[1]})]
        return [(elements[:1], "one"), ([], "none"), (elements, "all"), (elements[-1:] * 500, "hundreds")]
    if kind == "tuple":
        return [(tuple(values), what) for values, what in _fillings(parameter["components"])]
    if kind == "string":
        return [(text, what) for what, text in TEXTS.items()]
    if kind == "bytes":
        return [(blob, what) for what, blob in BLOBS.items()]
    if kind == "bytes32":
        return [(text, what) for what, text in REFERENCES.items()]
    if re.fullmatch(r"bytes\d+", kind):
        size = int(kind[5:])
        return [(bytes(size), "zeros"), (b"\xff" * size, "all ones")]
    if kind == "address":
        return [(f"0x{digit * 40}", f"{digit}s") for digit in "1f0"]
    if kind == "bool":
        return [(False, "no"), (True, "yes")]
    number = re.fullmatch(r"(u?)int(\d+)", kind)
    if number is not None:
        return _numbers(int(number[2]), signed=not number[1])
    raise ValueError(f"{kind}: expected a type whose hostile values are known; add them to tests/support/hostile.py")


def _numbers(bits: int, *, signed: bool) -> list[tuple[int, str]]:
    """Of so many bits: the extremes, and times: none, in 2019, at the end of calendars, no end."""
    largest = 2 ** (bits - signed) - 1
    found = {1: "1", 1_575_172_800: "in 2019", 0: "0", YEAR_10000: "the year 10000", 2**40 - 1: "no end"}
    found |= {2**31: "2038", 2**63: "beyond 64 bits", largest: "the largest", largest - 1: "nearly the largest"}
    found |= {-largest - 1: "the smallest"} if signed else {}
    return [(value, what) for value, what in found.items() if -largest - 1 <= value <= largest]
