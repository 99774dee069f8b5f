"""What a statement says in words, English and Chinese; the terms are those of docs/glossary.md."""

from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from interline.money import format_yuan
from interline.safe_text import moment_of, moment_text
from ledger.statement.model import Account, Basis, Kind, Statement, Timing


class Words(NamedTuple):
    """The same in two languages."""

    en: str
    zh: str


KIND_WORDS: Final[dict[Kind, Words]] = {
    Kind.RIDES_CARRIED: Words("rides carried", "承运行程"),
    Kind.RIDES_TAKEN: Words("rides taken", "外地乘坐"),
    Kind.REFUND_GIVEN: Words("refund given", "付出退款"),
    Kind.REFUND_RECEIVED: Words("refund received", "收到退款"),
    Kind.FEE_EARNED: Words("dispute fee earned", "争议费收入"),
    Kind.FEE_OWED: Words("dispute fee owed", "争议费支出"),
    Kind.ARREARS_RECEIVED: Words("arrears received", "收回欠款"),
    Kind.ARREARS_PAID: Words("arrears paid", "偿还欠款"),
    Kind.DEPOSIT: Words("deposit", "存入"),
    Kind.WITHDRAWAL: Words("withdrawal", "提取"),
}
BASIS_WORDS: Final[dict[Basis, Words]] = {
    Basis.ACCRUAL: Words("accrual", "权责发生制"),
    Basis.SETTLEMENT: Words("settlement (cash)", "收付实现制"),
}
BASIS_SENTENCES: Final[dict[Basis, Words]] = {
    Basis.ACCRUAL: Words(
        "Accrual basis: rides by the operating day of their exit, by the clock of the city that carried them; refunds "
        "and fees by that city's operating day of their block. It runs over what was earned and owed, settled or not.",
        "权责发生制：行程按承运城市时钟的出站运营日入账，退款与争议费按承运城市在该区块时间的运营日入账；"
        "累计的是应得与应付，不论是否已经结算。",
    ),
    Basis.SETTLEMENT: Words(
        "Settlement basis (cash): everything by the time of its block. It runs over the balance in the Clearinghouse; "
        "the position, which has the arrears in it, stands beside it.",
        "收付实现制（结算口径）：一律按区块时间入账；累计的是清算合约中的余额，旁列包含欠款的头寸。",
    ),
}
OPENING: Final = Words("opening", "期初")
CLOSING: Final = Words("closing", "期末")
NOT_OVER: Final = Words(
    "The period is not over: the closing is as of the statement's block.",
    "本期尚未结束：期末数截至本对账单所依据的区块。",
)
STATEMENT: Final = Words("Statement of account", "对账单")
LATE: Final = Words("late", "迟到结算")
CAUSE_WORDS: Final[dict[str, Words]] = {
    "by_operator": Words("given by the operator", "运营方主动退款"),
    "unanswered": Words("dispute not answered", "争议逾期未举证"),
    "revoked": Words("ticket was revoked", "车票已吊销"),
}
TIMING_WORDS: Final[dict[Timing, Words]] = {
    Timing.LATE: Words("of earlier days, settled later", "运营日在前，结算在后"),
    Timing.EARLY: Words("of later days, settled before", "结算在前，运营日在后"),
}


def remarks(statement: Statement) -> list[Words]:
    """What a reader has to know: that nothing is on it, that the period isn't over, that later rides may still come."""
    if statement.is_before_membership:
        name, name_zh = statement.city.name, statement.city.name_zh or statement.city.name
        return [
            Words(
                f"{printable(name)} was admitted on {statement.admitted}, after the period: there is nothing on it.",
                f"{printable(name_zh)}于 {statement.admitted} 加入，在本期之后：本期无任何记录。",
            )
        ]
    said = [] if statement.is_over else [NOT_OVER]
    said += _withheld(statement.closing)
    if statement.basis is Basis.ACCRUAL and statement.may_grow:
        if statement.rides_until is None:
            said.append(Words("Rides of the period may still settle.", "本期行程仍可能继续结算。"))
        else:
            until = local_time(statement, statement.rides_until)
            said.append(
                Words(
                    f"Rides of the period may still settle until {until}.", f"本期行程在 {until} 之前仍可能继续结算。"
                )
            )
    if batches := statement.unread_batches:
        said.append(_unread(batches))
    return said


def _withheld(closing: Account) -> list[Words]:
    """What of the arrears at the end can't be paid yet."""
    owed, due = format_yuan(closing.owed_withheld), format_yuan(closing.due_withheld)
    said = []
    if closing.owed_withheld:
        said.append(
            Words(
                f"Of the arrears owed at the end, {owed} yuan are withheld: fares above this city's daily limit.",
                f"期末应付欠款中有 {owed} 元暂扣（超出本市每日限额的票款）。",
            )
        )
    if closing.due_withheld:
        said.append(
            Words(
                f"Of the arrears due at the end, {due} yuan are withheld: fares above the debtors' daily limits.",
                f"期末应收欠款中有 {due} 元暂扣（超出欠款方每日限额的票款）。",
            )
        )
    return said


def _unread(batches: int) -> Words:
    which = "1 batch" if batches == 1 else f"{batches} batches"
    return Words(
        f"{which} whose rides weren't read, since the bytes weren't found: the amounts are complete, the rides are "
        "dated by their settlement and not listed one by one. `ledger index` says what to do.",
        f"{batches} 个批次未找到原始数据，其行程未逐一列出，按结算时间入账，金额完整；处理办法见 ledger index。",
    )


def running_words(basis: Basis) -> Words:
    """What the basis runs over."""
    if basis is Basis.SETTLEMENT:
        return Words("balance", "余额")
    return Words("accrued position", "应计头寸")


def local_time(statement: Statement, second: int) -> str:
    """A moment by the clock of the statement's city, with its offset: 2019-12-01T03:59:59+08:00."""
    moment = moment_of(second, ZoneInfo(statement.city.operating_day.timezone))
    return moment_text(second) if moment is None else moment.isoformat()


def printable(text: str) -> str:
    """A text from outside, on one line; as hexadecimal digits if it holds what a file can't, such as a NUL."""
    return text if text.isprintable() else "0x" + text.encode("utf-8", "surrogatepass").hex()
