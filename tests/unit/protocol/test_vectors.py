"""Every example of the protocol's vectors, to the byte."""

from typing import Any

import pytest

from interline.batch import Batch
from interline.code import Code
from interline.domain import Domain, batch_digest, code_message
from interline.signatures import parse_address, recover_address, to_checksum
from interline.ticket import Ticket

CODES = range(4)


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


@pytest.fixture(scope="module")
def domain(vectors: dict[str, Any]) -> Domain:
    return Domain(vectors["chainId"], parse_address(vectors["clearinghouse"]))


@pytest.fixture(params=CODES, ids=lambda number: f"code {number}")
def example(request: pytest.FixtureRequest, vectors: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = vectors["codes"][request.param]
    return content


@pytest.fixture
def ticket(example: dict[str, Any]) -> Ticket:
    """The example's ticket, made of its fields; only the signature is taken from its bytes."""
    fields = example["ticket"]
    return Ticket(
        issuer=fields["issuer"],
        key_id=fields["keyId"],
        operator=fields["operator"],
        serial=fields["serial"],
        not_after=fields["notAfter"],
        fare_cap=fields["fareCap"],
        rider_key=unhex(fields["riderKey"]),
        signature=unhex(example["ticketBytes"])[-64:],
    )


def test_every_code_of_the_file_is_an_example(vectors: dict[str, Any]) -> None:
    assert len(vectors["codes"]) == len(CODES)


def test_the_domain_separator_is_the_examples(domain: Domain, vectors: dict[str, Any]) -> None:
    assert domain.separator == unhex(vectors["domainSeparator"])


def test_the_ticket_has_the_examples_bytes(ticket: Ticket, example: dict[str, Any]) -> None:
    assert ticket.to_bytes() == unhex(example["ticketBytes"])
    assert Ticket.from_bytes(unhex(example["ticketBytes"])) == ticket


def test_the_rider_is_the_examples(ticket: Ticket, example: dict[str, Any]) -> None:
    assert ticket.rider == unhex(example["ticket"]["rider"])


def test_the_ticket_hash_is_the_examples(domain: Domain, ticket: Ticket, example: dict[str, Any]) -> None:
    # Mistake 12: a hash that two implementations compute differently.
    assert ticket.hash(domain) == unhex(example["ticketHash"])


def test_the_ticket_is_signed_by_the_registered_issuer_key(
    domain: Domain, ticket: Ticket, vectors: dict[str, Any]
) -> None:
    keys = {(key["issuer"], key["keyId"]): key["address"] for key in vectors["issuerKeys"]}
    signer = recover_address(ticket.hash(domain), ticket.signature)
    assert signer is not None
    assert to_checksum(signer) == keys[ticket.issuer, ticket.key_id]


def test_the_code_has_the_examples_bytes_and_text(ticket: Ticket, example: dict[str, Any]) -> None:
    code = Code(ticket, example["shownAt"], unhex(example["code"])[-64:])
    assert code.to_bytes() == unhex(example["code"])
    assert code.to_text() == example["qr"]
    assert Code.from_bytes(unhex(example["code"])) == code
    assert Code.from_text(example["qr"]) == code


def test_the_rider_signed_the_code(domain: Domain, example: dict[str, Any]) -> None:
    code = Code.from_text(example["qr"])
    message = code_message(unhex(example["ticketHash"]), example["shownAt"])
    assert code.rider.verify(message, code.rider_signature)
    assert not code.rider.verify(
        code_message(unhex(example["ticketHash"]), example["shownAt"] + 1), code.rider_signature
    )


def test_the_batch_has_the_examples_bytes_and_id(vectors: dict[str, Any]) -> None:
    example = vectors["batch"]
    batch = Batch.from_bytes(unhex(example["batch"]))
    assert batch.operator == example["operator"]
    assert batch.to_bytes() == unhex(example["batch"])
    assert batch.id == unhex(example["batchId"])
    rides = [(issuer, key_id, ride) for _, issuer, key_id, ride in batch.iter_rides()]
    assert Batch.build(batch.operator, reversed(rides)) == batch


def test_the_batch_is_signed_by_the_examples_submitter(domain: Domain, vectors: dict[str, Any]) -> None:
    example = vectors["batch"]
    digest = batch_digest(domain, example["operator"], unhex(example["batchId"]))
    signer = recover_address(digest, unhex(example["signature"]))
    assert signer is not None
    assert to_checksum(signer) == example["submitter"]
