"""The pages' words, English and Chinese; the terms are those of docs/glossary.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from interline.reasons import RideReason
from ledger.statement.model import CAUSES
from ledger.statement.words import BASIS_WORDS, CAUSE_WORDS, Words

LANGUAGES: Final = {"en": "en", "zh": "zh-Hans"}
"""The language of an address, and as a page's `lang` has it."""
NAMES: Final = {"en": "English", "zh": "中文"}
"""Each language in its own words."""

_WORDS: Final[dict[str, Words]] = {
    "site": Words("Interline ledger", "互联互通清分账"),
    "skip": Words("Skip to the content", "跳到正文"),
    "navigation": Words("Pages", "页面"),
    "overview": Words("Overview", "概览"),
    "votes": Words("Members and votes", "成员与表决"),
    "lead": Words(
        "Who carried whom, and who owes whom, from the chain to the fen.",
        "谁承运了谁的乘客、谁欠谁多少：均来自链上，精确到分。",
    ),
    "block": Words("Block", "区块"),
    "state_live": Words("Following the chain.", "正在跟随链上数据。"),
    "state_reading": Words(
        "Reading the chain: this is what was known at that block.", "正在读取链上数据：以下为该区块时的数据。"
    ),
    "state_lost": Words(
        "The node doesn't answer: this is what was known at that block. The page goes on when the node is back.",
        "节点失联：以下为该区块时的数据。节点恢复后页面会自动继续更新。",
    ),
    "state_server": Words(
        "The server doesn't answer: this is what was known at that block. The page goes on when it is back.",
        "服务器失联：以下为该区块时的数据。恢复后页面会自动继续更新。",
    ),
    "state_wrong": Words(
        "What the node says doesn't add up; nothing of it was taken over. Ask another node, and reconcile.",
        "节点所述账目不平，未予采用。请改用其他节点，并运行对账。",
    ),
    "state_broken": Words(
        "Following the chain failed: this is what was known at that block. It is tried again; the server's log says "
        "more.",
        "跟随链上数据时出错：以下为该区块时的数据。系统会自动重试，详情见服务器日志。",
    ),
    "state_unfit": Words(
        "The index, the deployment and the node aren't of one Clearinghouse: what is shown is the index's alone. The "
        "server's log says more.",
        "索引、部署与节点不属于同一清算合约：以下仅为索引中的数据，详情见服务器日志。",
    ),
    "state_archive": Words("An archive: no chain is followed.", "存档：不跟随链上数据。"),
    "rides": Words("Rides", "行程"),
    "fares": Words("Fares", "票款"),
    "settled_rides": Words("Rides settled", "已结算行程"),
    "settled_fares": Words("Fares, yuan", "票款（元）"),
    "held": Words("Held, yuan", "托管总额（元）"),
    "in_arrears": Words("Arrears, yuan", "欠款（元）"),
    "in_dispute": Words("Open disputes", "未决争议"),
    "open_votes": Words("Open votes", "进行中的表决"),
    "accounts": Words("Accounts", "账户"),
    "accounts_note": Words(
        "Yuan. The position is the balance with arrears due, less arrears owed.",
        "单位：元。头寸＝余额＋应收欠款－应付欠款。",
    ),
    "city": Words("City", "城市"),
    "balance": Words("Balance", "余额"),
    "position": Words("Position", "头寸"),
    "owed": Words("Arrears owed", "应付欠款"),
    "due": Words("Arrears due", "应收欠款"),
    "status": Words("Status", "状态"),
    "active": Words("active", "正常"),
    "suspended": Words("suspended", "已暂停"),
    "left": Words("left", "已退出"),
    "matrix": Words("Who owes whom", "清分矩阵"),
    "matrix_note": Words(
        "Fares that settled, yuan: the row's riders, carried by the column's metro. They were paid as each batch "
        "settled, as far as the balance reached; the rest became arrears.",
        "已结算票款（元）：行为发卡方（应付），列为运营方（应得）。票款随批次结算支付，余额不足部分记为欠款。",
    ),
    "earns": Words("Earns", "应得"),
    "adds_up": Words(
        "It adds up: balances {held} = deposits {deposits} − withdrawals {withdrawals} yuan, made again from every "
        "ride since the first block, each that was read with its signature checked.",
        "账目相符：余额合计 {held} ＝ 存入 {deposits} − 提取 {withdrawals} 元，由首个区块以来的全部行程重算得出，"
        "已读取的每个行程的签名均已校验。",
    ),
    "unread": Words(
        "Batches whose rides weren't read: {count}, {fares} yuan. Their money is in every account.",
        "行程未读取的批次：{count} 个，{fares} 元。其金额已计入所有账户。",
    ),
    "unread_note": Words(
        "The bytes are neither in the transaction nor in a trace of it, so that the rides aren't known one by one; the "
        "money follows from the events. Ask the operator for the bytes, and give them with ledger index --batch FILE.",
        "交易及其调用记录中均未找到原始数据，因此无法逐一列出行程；金额以链上事件为准。"
        "请向运营方索取原始数据，并以 ledger index --batch FILE 提供。",
    ),
    "adds_not_up": Words(
        "IT DOES NOT ADD UP: balances {held}, deposits {deposits}, withdrawals {withdrawals} yuan. Run reconcile.",
        "账目不符：余额合计 {held}，存入 {deposits}，提取 {withdrawals} 元。请运行对账。",
    ),
    "batches": Words("Batches", "批次"),
    "batches_note": Words("Every batch of which a ride settled, the newest first.", "有行程结算的全部批次，最新在前。"),
    "batches_of": Words("Carried by {operator}.", "运营方：{operator}。"),
    "batches_with": Words("With riders of {issuer}.", "含{issuer}乘客的行程。"),
    "older": Words("Older batches", "更早的批次"),
    "newest": Words("Newest batches", "最新批次"),
    "all_batches": Words("All its batches", "全部批次"),
    "refunds": Words("Refunds, yuan", "退款（元）"),
    "fees": Words("Dispute fees, yuan", "争议费（元）"),
    "corrections": Words("Refunds and disputes", "退款与争议"),
    "frozen": Words("treasury frozen", "资金账户已冻结"),
    "issuer_keys": Words("Issuer keys", "发卡密钥"),
    "key_from": Words("{id}: from {since}", "{id}：自 {since}"),
    "key_until": Words("{id}: {since} to {until}", "{id}：{since} 至 {until}"),
    "submitters": Words("Submitters", "提交方"),
    "admin": Words("Admin", "管理员"),
    "treasury": Words("Treasury", "资金账户"),
    "no_treasury": Words("none yet", "尚未设定"),
    "recovery": Words("Recovery", "恢复地址"),
    "daily_limit": Words("Limit a day, yuan", "每日限额（元）"),
    "no_limit": Words("none", "无"),
    "counts_from": Words("votes from {when}", "{when} 起参与表决"),
    "tariffs": Words("Published tariffs", "已公布票价"),
    "valid_from": Words("Valid from", "生效时间"),
    "hash": Words("Hash", "哈希"),
    "file": Words("File", "文件"),
    "flows": Words("Net flows between the cities", "城市间净额流向"),
    "flows_note": Words(
        "From the city that owes more to the one that earns more, yuan.", "由净应付方流向净应得方，单位：元。"
    ),
    "issuer_to_operator": Words("Issuer → operator", "发卡方 → 运营方"),
    "total": Words("Total", "合计"),
    "over_time": Words("Rides and fares by day", "每日行程与票款"),
    "over_time_note": Words(
        "By the operating day of the exit, by the operator's clock.", "按出站运营日（运营方时钟）。"
    ),
    "day": Words("Operating day", "运营日"),
    "as_table": Words("The figures as a table", "以表格显示数据"),
    "arrears": Words("Arrears", "欠款"),
    "debtor": Words("Debtor", "欠款方"),
    "creditor": Words("Creditor", "收款方"),
    "withheld": Words("Of which withheld", "其中暂扣"),
    "withheld_note": Words(
        "Withheld: fares above the debtor's daily limit. They are owed, and can be paid once the debtor confirms them "
        "or their time is over.",
        "暂扣：超出欠款方每日限额的票款，仍属欠款，待欠款方确认或期限届满后方可支付。",
    ),
    "no_arrears": Words("Nobody is in arrears.", "目前没有欠款。"),
    "amount": Words("Amount, yuan", "金额（元）"),
    "latest": Words("Latest batches", "最新批次"),
    "batch": Words("Batch", "批次"),
    "operator": Words("Operator", "运营方"),
    "issuer": Words("Issuer", "发卡方"),
    "settled_at": Words("Settled", "结算时间"),
    "refused": Words("Refused", "被拒"),
    "nothing": Words("None.", "无。"),
    "disputes": Words("Open disputes", "未决争议"),
    "until": Words("Answer until", "举证截止"),
    "ride": Words("Ride", "行程"),
    "city_lead": Words("Code {code}, member since {since}.", "代码 {code}，{since} 加入。"),
    "statements": Words("Statements", "对账单"),
    "statements_note": Words(
        "Made from the newest block; named after it, so that it can be made again byte for byte.",
        "依据最新区块生成；文件名含区块号，可逐字节重现。",
    ),
    "period": Words("Period", "期间"),
    "period_hint": Words(
        "a month, a day or a year: 2019-12, 2019-12-05, 2019; or this-month, last-month, today, yesterday",
        "月、日或年：2019-12、2019-12-05、2019；或 this-month（本月）、last-month（上月）、today（今天）、"
        "yesterday（昨天）",
    ),
    "basis": Words("Basis", "记账基础"),
    "form_table": Words("Text", "文本"),
    "form_csv": Words("CSV", "CSV"),
    "form_json": Words("JSON", "JSON"),
    "form_xlsx": Words("Excel", "Excel"),
    "form_camt053": Words("camt.053 (settlement basis only)", "camt.053（仅限收付实现制）"),
    "form_beancount": Words("Beancount", "Beancount"),
    "form_invoices": Words("Invoices", "开票清单"),
    "counterparties": Words("With each other city", "与各城市往来"),
    "carried": Words("Carried for it, yuan", "承运应得（元）"),
    "taken": Words("Taken with it, yuan", "外地乘坐应付（元）"),
    "net": Words("Net, yuan", "净额（元）"),
    "transfers": Words("Deposits and withdrawals", "存入与提取"),
    "time": Words("Time", "时间"),
    "kind": Words("Kind", "类型"),
    "deposit": Words("deposit", "存入"),
    "withdrawal": Words("withdrawal", "提取"),
    "reference": Words("Bank reference", "银行附言"),
    "batch_title": Words("Batch of {operator}", "{operator}的批次"),
    "batch_id": Words("Batch id", "批次号"),
    "transaction": Words("Transaction", "交易"),
    "entry": Words("Entry", "进站"),
    "exit": Words("Exit", "出站"),
    "unknown_station": Words("not known", "未知"),
    "fare": Words("Fare, yuan", "票款（元）"),
    "refunded": Words("Refunded, yuan", "已退（元）"),
    "dispute": Words("Dispute", "争议"),
    "dispute_none": Words("never disputed", "无争议"),
    "dispute_open": Words("open", "未决"),
    "dispute_upheld": Words("upheld", "维持原结算"),
    "dispute_refunded": Words("refunded", "已退款"),
    "refused_rides": Words("Rides that the chain refused", "链上拒绝的行程"),
    "reason": Words("Reason", "原因"),
    "ride_title": Words("Ride {index} of a batch of {operator}", "{operator}批次中的第 {index} 次行程"),
    "ride_lead": Words(
        "On a ticket of {issuer}. Nothing here says who rode, or which other rides were theirs.",
        "持{issuer}车票。此页不显示乘客身份，也无法关联其他行程。",
    ),
    "history": Words("What happened to it since", "结算后的处理"),
    "what": Words("What", "事项"),
    "was_disputed": Words("disputed by the issuer", "发卡方提出争议"),
    "was_upheld": Words("upheld: the settlement stands, and the issuer owes the fee", "维持原结算，发卡方支付争议费"),
    "was_refunded": Words("refunded", "退款"),
    "lone": Words("A lone ride: only one end of it is known.", "单边交易：仅知一端。"),
    "members": Words("Members", "成员"),
    "since": Words("Since", "加入时间"),
    "proposals": Words("Votes", "表决"),
    "number": Words("No.", "编号"),
    "proposal": Words("Proposal", "提案"),
    "proposer": Words("Proposed by", "提案方"),
    "votes_for": Words("Votes", "票数"),
    "vote_executed": Words("carried out {when}", "已于 {when} 执行"),
    "vote_waits": Words("passed; can be carried out from {when}", "已通过，{when} 起可执行"),
    "vote_enough": Words("has its votes; not carried out yet", "票数已足，尚未执行"),
    "vote_withdrawn": Words("taken back, or asked anew", "已撤回或已重新申请"),
    "vote_lapsed": Words("lapsed {when}", "已于 {when} 失效"),
    "vote_open": Words("open until {when}", "进行中，{when} 截止"),
    "busy_title": Words("Too many statements at once", "同时生成的对账单过多"),
    "busy": Words("Other statements are being made: try again in a minute.", "正在生成其他对账单，请一分钟后重试。"),
    "broken_title": Words("Something went wrong in the server", "服务器出错"),
    "broken": Words("Its log says what. Nothing was changed; try again.", "详情见服务器日志。数据未受影响，请重试。"),
    "method": Words("These pages are only read (GET).", "本站页面仅供读取（GET）。"),
    "lost_title": Words("Not found", "未找到"),
    "wrong_title": Words("That can't be made", "无法生成"),
    "empty_title": Words("Nothing is indexed yet", "尚未建立索引"),
    "back": Words("Back to the overview", "返回概览"),
    "of_votes": Words("{votes} of {needed}", "{votes}／需 {needed}"),
    "latest_note": Words("The newest first.", "按时间倒序。"),
}
_REASONS: Final[dict[RideReason, Words]] = {
    RideReason.BadIssuerSignature: Words("the ticket isn't the issuer's", "发卡方签名无效"),
    RideReason.TicketExpired: Words("the ticket had expired", "车票已过期"),
    RideReason.AboveFareCap: Words("the fare is above the ticket's cap", "票款超过票价上限"),
    RideReason.AlreadySettled: Words("settled before", "已结算过"),
    RideReason.BadTimes: Words("its times can't be", "时间不合理"),
    RideReason.TooLate: Words("submitted too late", "提交过迟"),
    RideReason.KeyNotValid: Words("the issuer's key wasn't valid", "发卡方密钥无效"),
    RideReason.IssuerSuspended: Words("the issuer was suspended", "发卡方已暂停"),
    RideReason.OperatorSuspended: Words("the operator was suspended", "运营方已暂停"),
}
_ACTS: Final[dict[str, Words]] = {
    "admit": Words("admit {city}", "接纳{city}"),
    "suspend": Words("suspend {city}", "暂停{city}"),
    "reinstate": Words("reinstate {city}", "恢复{city}"),
    "expel": Words("expel {city}", "除名{city}"),
    "recover": Words("give {city} back to its recovery address", "将{city}交还其恢复地址"),
    "setReserve": Words("set the reserve of {city}", "设定{city}的准备金"),
    "setParameters": Words("change the parameters", "修改参数"),
    "stopSettlement": Words("stop settlement", "停止结算"),
    "resumeSettlement": Words("resume settlement", "恢复结算"),
    "nameSuccessor": Words("name a successor", "指定继任清算合约"),
    "cancelSuccessor": Words("call the successor off", "取消继任清算合约"),
}


class Text:
    """The words of one language: `text.balance`, `text("city_lead", code=3100)`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.lang = LANGUAGES[language]

    def __getattr__(self, key: str) -> str:
        if key not in _WORDS:
            raise AttributeError(key)
        return self.say(_WORDS[key])

    def __call__(self, key: str, **values: Any) -> str:
        """The words of a key, with values put in."""
        return self.say(_WORDS[key]).format(**values)

    def say(self, words: Words) -> str:
        """Of the two languages, this one."""
        return words.zh if self.language == "zh" else words.en

    def reason_words(self, code: int) -> str:
        """Why the chain refused a ride (protocol section 6)."""
        try:
            return self.say(_REASONS[RideReason(code)])
        except ValueError:
            return str(code)

    def cause_words(self, code: int) -> str:
        """Why a refund was made (IRefunds.Cause)."""
        return self.say(CAUSE_WORDS[CAUSES[code]])

    def bases(self) -> Mapping[str, str]:
        """The bases of a statement."""
        return {str(basis): self.say(words) for basis, words in BASIS_WORDS.items()}

    def act_words(self, name: str, city: str) -> str:
        """What a vote would do, in plain words; the function's own name where there are none."""
        return self.say(_ACTS[name]).format(city=city) if name in _ACTS else name
