"""The chapters of the story, in order; each does its part on the world and adds to the tale."""

import concurrent.futures as futures
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from web3 import HTTPProvider, Web3
from web3.logs import DISCARD
from web3.types import TxReceipt

from demo.books import Books, keep_books
from demo.corrections import Correction, correct
from demo.errors import DemoError
from demo.live import PATIENCE, Balances, Watcher, ride_live
from demo.mischief import ENDED_KEY, ENDED_KEY_WINDOW, ISSUER, REVOKED_SERIAL, Forger, bad_batch, bad_rides
from demo.shifts import Log, Rider, Shift, work
from demo.world import DEPLOYMENT, World
from interline.batch import Batch, sign_batch
from interline.contracts import load_abi
from interline.reasons import RideReason
from interline.tariff import load_tariff
from issuer_client.config import load_config as load_issuer_config
from issuer_client.office import TicketOffice
from issuer_client.wallet import Wallet
from network.accounts import Role, city_index, test_address, test_private_key

FORGED_AT: Final = (3301, 3201, 3203)  # the operators at whose gates forged codes are shown
WORKERS: Final = 2


@dataclass(slots=True)
class Tale:
    """What has happened so far; the report is made from it."""

    members: list[int] = field(default_factory=list)
    onboarding: list[dict[str, Any]] = field(default_factory=list)
    scans: Log = field(default_factory=Log)
    batches: list[dict[str, Any]] = field(default_factory=list)
    refused_rides: dict[str, int] = field(default_factory=dict)
    """Rides that the chain refused, by reason; all of them planted."""
    refused_batches: list[str] = field(default_factory=list)
    """Batches that the chain refused whole, by the error's name; all of them planted."""
    tap_to_balance: list[float] = field(default_factory=list)
    pairs: set[tuple[int, int]] = field(default_factory=set)
    """(issuer, operator) of which a ride was accepted at both ends."""
    rides_taken: int = 0
    corrections: list[Correction] = field(default_factory=list)
    books: Books | None = None


class Chapters:
    """Tells the story; `advance` is called with what is being done and how much of the whole it was."""

    def __init__(self, world: World, tale: Tale) -> None:
        self.world, self.tale = world, tale

    # ------------------------------------------------------------ members

    def found(self) -> None:
        """Deploys the contracts with the three founders."""
        self.world.ape("deploy", "--deployment", DEPLOYMENT, "--replace")
        self.tale.members = [city.code for city in self.world.cities if city.founder]

    def publish_tariff(self, code: int) -> None:
        """A founder publishes its tariff's hash, so that anybody can price its rides again."""
        folder, uri = str(self.world.city(code).tariff), f"https://tariffs.example/{code}"
        city = ("--as", str(code), "--deployment", DEPLOYMENT)
        self.world.ape("consortium", "tariff", folder, "--uri", uri, *city)

    def join(self, codes: Sequence[int]) -> Iterator[int]:
        """Brings cities in, one after another, with one command; yields how many members there are as they join."""
        files = [str(self.world.city(code).path) for code in codes]
        box: list[Any] = []
        worker = threading.Thread(target=self._onboard, args=(files, box), daemon=True)
        worker.start()
        registry = self._contract("CityRegistry")
        while worker.is_alive():
            worker.join(0.5)
            yield len(registry.functions.cities().call())
        if isinstance(box[0], Exception):
            raise box[0]
        self.tale.onboarding += box[0]
        self.tale.members += codes

    def _onboard(self, files: Sequence[str], box: list[Any]) -> None:
        try:
            box.append(self.world.ape("onboard", "all", *files, "--deployment", DEPLOYMENT))
        except Exception as error:  # handed to the thread that waits
            box.append(error)

    # ------------------------------------------------------------ tickets and trust lists

    def prepare_forgeries(self) -> None:
        """Shanghai ends up with an issuer key that was good in 2019 alone, and with revoked tickets."""
        registry = self._contract("CityRegistry")
        admin = city_index(0, Role.ADMIN)
        key = test_address(city_index(0, Role.SPARE_ISSUER_KEY))
        self._send(admin, registry.functions.addIssuerKey(ISSUER, ENDED_KEY, key, *ENDED_KEY_WINDOW))
        for operator in FORGED_AT:
            self._send(admin, registry.functions.revokeTickets(ISSUER, operator, [REVOKED_SERIAL]))

    def sync(self, codes: Sequence[int]) -> None:
        """Every gate makes its trust list."""
        with futures.ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda code: self.world.gate(code, "sync", "--json"), codes))

    def issue(self, pairs: Sequence[tuple[int, int]], count: int) -> dict[int, list[Rider]]:
        """Each home city issues `count` tickets for each of its pairs (issuer, operator).

        Returns: the riders, by operator.
        """
        riders: dict[int, list[Rider]] = {}
        for issuer in sorted({issuer for issuer, _ in pairs}):
            config = load_issuer_config(self.world.folder(issuer) / "issuer.toml")
            assert config.wallet is not None
            wallet = Wallet(config.wallet, self.world.domain)
            office = TicketOffice(config, test_private_key(self.world.account_index(issuer, Role.ISSUER_KEY)))
            for operator in [o for i, o in pairs if i == issuer]:
                tickets = office.issue(operator, wallet.new_keys(count))
                wallet.add(tickets)
                stations = [station.number for station in load_tariff(self.world.city(operator).tariff).stations]
                for number, ticket in enumerate(tickets):
                    ends = stations[number % 3], stations[3 + number % 2 + len(stations) // 2]
                    riders.setdefault(operator, []).append(Rider(config.wallet, issuer, ticket.serial, *ends))
        return riders

    # ------------------------------------------------------------ rides

    def shifts(self, riders: dict[int, list[Rider]], forged_at: Sequence[int] = ()) -> Iterator[int]:
        """All operators' gates work, two at a time; yields how many codes each shift read."""
        pictures = self.world.out / "codes"
        pictures.mkdir(exist_ok=True)
        shifts = [
            Shift(
                operator=operator,
                folder=self.world.folder(operator),
                pictures=pictures,
                domain=self.world.domain,
                riders=tuple(theirs),
                forger=self._forger(operator, pictures) if operator in forged_at else None,
            )
            for operator, theirs in riders.items()
        ]
        with futures.ProcessPoolExecutor(WORKERS) as pool:
            for log in pool.map(work, shifts):
                self.tale.scans.merge(log)
                yield log.accepted + sum(log.rejected.values())
        for operator, theirs in riders.items():
            self.tale.pairs |= {(rider.issuer, operator) for rider in theirs}
            self.tale.rides_taken += len(theirs)

    def _forger(self, operator: int, pictures: Path) -> Forger:
        elsewhere = next(code for code in self.tale.members if code not in (ISSUER, operator))
        highest = load_tariff(self.world.city(operator).tariff).highest_fare
        return Forger(self.world.domain, operator, elsewhere, highest, pictures)

    def submit(self, codes: Sequence[int]) -> Iterator[int]:
        """Every gate submits what it holds; yields how many rides each one settled."""
        with futures.ThreadPoolExecutor(WORKERS) as pool:
            for document in pool.map(lambda code: self.world.gate(code, "submit", "--json"), codes):
                self.tale.batches += document["batches"]
                yield sum(batch["settled"] for batch in document["batches"])

    # ------------------------------------------------------------ what the chain refuses

    def attack(self, operator: int) -> None:
        """A rogue submitter of `operator` signs a batch of bad rides; then come batches that are refused whole.

        Raises DemoError where the chain gives any other answer than the planned one.
        """
        clearinghouse = self._contract("Clearinghouse")
        settled = self._settled_batch(operator)
        honest = next(ride for _, issuer, _, ride in settled.iter_rides() if issuer == ISSUER)
        now = self._web3().eth.get_block("latest")["timestamp"]
        batch, reasons = bad_batch(operator, bad_rides(self.world.domain, operator, honest, now))
        receipt = self._settle(operator, batch)
        came = [
            RideReason(event["args"]["reason"])
            for event in clearinghouse.events.RideRejected().process_receipt(receipt, errors=DISCARD)
        ]
        if came != reasons:
            raise DemoError(f"expected the chain to refuse with {reasons}, came {came}")
        for reason in came:
            self.tale.refused_rides[reason.name] = self.tale.refused_rides.get(reason.name, 0) + 1

        signature = sign_batch(self.world.domain, self._submitter(operator), settled)
        for error, data, signed in (
            ("BatchAlreadySettled", settled.to_bytes(), signature),
            ("NotSubmitter", batch.to_bytes(), sign_batch(self.world.domain, test_private_key(2), batch)),
            ("MalformedBatch", settled.to_bytes()[:-1], signature),
        ):
            self._expect_refusal(error, data, signed)

    def _expect_refusal(self, error: str, batch: bytes, signature: bytes) -> None:
        clearinghouse = self._contract("Clearinghouse")
        if error == "MalformedBatch":
            operator = int.from_bytes(batch[:2], "big")
            from interline.domain import batch_digest
            from interline.hashing import keccak256
            from interline.signatures import sign_compact

            digest = batch_digest(self.world.domain, operator, keccak256(batch))
            signature = sign_compact(self._submitter(operator), digest)
        try:
            clearinghouse.functions.settle(batch, signature).call()
        except Exception as refusal:
            selector = Web3.keccak(text=_signature_of(clearinghouse.abi, error))[:4].hex()
            if selector not in str(getattr(refusal, "data", "")) + str(refusal):
                raise DemoError(f"expected {error}, came {refusal}") from refusal
            self.tale.refused_batches.append(error)
            return
        raise DemoError(f"expected {error}, but the batch was settled")

    def _settled_batch(self, operator: int) -> Batch:
        """A batch of the operator's that is on chain, decoded from its transaction."""
        web3 = self._web3()
        for entry in self.tale.batches:
            data = web3.eth.get_transaction(entry["tx"])["input"]
            _, arguments = self._contract("Clearinghouse").decode_function_input(data)
            batch = Batch.from_bytes(arguments["batch"])
            if batch.operator == operator and any(issuer == ISSUER for _, issuer, _, _ in batch.iter_rides()):
                return batch
        raise DemoError(f"expected a settled batch of operator {operator} with tickets of {ISSUER}, came none")

    def _settle(self, operator: int, batch: Batch) -> TxReceipt:
        signature = sign_batch(self.world.domain, self._submitter(operator), batch)
        return self._send(
            self.world.account_index(operator, Role.SUBMITTER),
            self._contract("Clearinghouse").functions.settle(batch.to_bytes(), signature),
        )

    def _submitter(self, operator: int) -> bytes:
        return test_private_key(self.world.account_index(operator, Role.SUBMITTER))

    # ------------------------------------------------------------ corrections

    def corrections(self, operator: int) -> None:
        """Rides of `operator` are disputed and refunded, once everything else is over: time goes on by ten days."""
        self.tale.corrections = correct(self.world, self._web3(), ISSUER, self._settled_batch(operator))

    # ------------------------------------------------------------ books

    def books(self, city: int) -> None:
        """Everything is reconciled, and a city's statements are made."""
        self.tale.books = keep_books(self.world, self._web3(), city)

    # ------------------------------------------------------------ live

    def live(self, operators: Sequence[int], riders: Sequence[tuple[int, Rider]], pause: float) -> None:
        """Riders leave one by one while the chain runs; measures the time until each fare is in the balance."""
        watcher, balances = Watcher(), Balances(self.world)
        watch = threading.Thread(target=balances.run, daemon=True)
        watch.start()
        try:
            for operator in operators:
                watcher.start(self.world.folder(operator))
            time.sleep(2.5)  # a submitter that is being started is not what is measured
            elapsed = ride_live(self.world, riders, pause, balances)
            balances.wait()
        finally:
            balances.stop()
            watcher.stop()
            watch.join(PATIENCE)
        self.tale.scans.accepted += len(elapsed)
        self.tale.scans.elapsed_ms += elapsed
        self.tale.tap_to_balance += balances.seconds
        self.tale.rides_taken += len(riders)
        self.tale.pairs |= {(rider.issuer, operator) for operator, rider in riders}
        for operator in operators:
            self.tale.batches += _watched(self.world.folder(operator) / "submit.log")

    # ------------------------------------------------------------ the chain

    def _web3(self) -> Web3:
        return Web3(HTTPProvider(self.world.chain.url))

    def _contract(self, name: str) -> Any:
        address = Web3.to_checksum_address(self.world.contracts[name]["address"])
        return self._web3().eth.contract(address=address, abi=load_abi(name))

    def _send(self, account: int, call: Any) -> TxReceipt:
        """Sends a call from a test account at gas price 0, and waits for its receipt."""
        web3 = self._web3()
        sender = Web3.to_checksum_address(test_address(account))
        transaction = call.build_transaction(
            {"from": sender, "nonce": web3.eth.get_transaction_count(sender), "gasPrice": 0, "chainId": 1337}
        )
        signed = web3.eth.account.sign_transaction(transaction, test_private_key(account))
        receipt = web3.eth.wait_for_transaction_receipt(
            web3.eth.send_raw_transaction(signed.raw_transaction), timeout=PATIENCE
        )
        if receipt["status"] != 1:
            raise DemoError(f"expected {call.fn_name} to succeed, it reverted")
        return receipt


def _signature_of(abi: Sequence[Any], error: str) -> str:
    entry = next(entry for entry in abi if entry["type"] == "error" and entry["name"] == error)
    return f"{error}({','.join(argument['type'] for argument in entry['inputs'])})"


def _watched(log: Path) -> list[dict[str, Any]]:
    """The batches in the output of `submit --watch`."""
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    return [batch for line in lines for batch in json.loads(line)["batches"]]
