"""A winter of three metros, small enough to be added up by hand: `winter()` is its story.

All times are Shanghai's, operating days begin at 04:00, amounts are fen.

    11-01 09:00  Shanghai, Hangzhou and Xuzhou join
    11-02 10:00  Hangzhou deposits 1000 (ICBC 1)                                   Hangzhou 1000
    11-05 10:00  Shanghai deposits 500 (CCB 7)                                     Shanghai 500
    12-01 03:30  batch A of Shanghai: Hangzhou 400 (exit 11-29 10:00) and 300 (11-30 23:50), Xuzhou 500 (12-01 03:00)
                 Hangzhou pays 700, Xuzhou nothing: it owes 500                    Shanghai 1200, Hangzhou 300
    12-02 03:30  batch B of Shanghai: Hangzhou 700 (exit 11-30 10:00), pays 300    Shanghai 1500, Hangzhou 0, owes 400
    12-02 13:30  batch C of Hangzhou: Shanghai 200 (exit 12-02 10:00)              Shanghai 1300, Hangzhou 200
    12-03 09:00  Shanghai refunds 500 of B's ride: 400 set off, 100 paid           Shanghai 1200, Hangzhou 300
    12-03 10:00  Hangzhou disputes A's ride of 400; 12-05 10:00 upheld: fee 100    Shanghai 1300, Hangzhou 200
    12-05 11:00  Hangzhou disputes A's ride of 300; nobody answers
    12-09 09:30  Xuzhou deposits 300 (ABC 9), and 10:00 pays Shanghai              Shanghai 1600, Xuzhou owes 200
    12-10 11:00  Shanghai withdraws 600 (OUT 1)                                    Shanghai 1000
    01-01 02:00  batch D of Shanghai: Hangzhou 100 (exit 01-01 01:30)              Shanghai 1100, Hangzhou 100
    01-02 09:00  batch E of Shanghai: Hangzhou 50 (exit 12-31 20:00, unknown)      Shanghai 1150, Hangzhou 50
    01-03 09:00  a block in which nothing happens
"""

from tests.support.ledger_story import HANGZHOU, SHANGHAI, XUZHOU, Story, Trip

NAMES = {SHANGHAI: "Shanghai", HANGZHOU: "Hangzhou", XUZHOU: "Xuzhou"}


def winter() -> Story:
    """The story, as told above."""
    story = Story(NAMES, at="2019-11-01 09:00")
    story.deposit(HANGZHOU, 1000, "ICBC 1", at="2019-11-02 10:00")
    story.deposit(SHANGHAI, 500, "CCB 7", at="2019-11-05 10:00")
    upheld, open_, _ = story.settle(
        SHANGHAI,
        [
            Trip(HANGZHOU, 400, "2019-11-29 10:00", 3, 25),
            Trip(HANGZHOU, 300, "2019-11-30 23:50"),
            Trip(XUZHOU, 500, "2019-12-01 03:00"),
        ],
        at="2019-12-01 03:30",
    )
    (late,) = story.settle(SHANGHAI, [Trip(HANGZHOU, 700, "2019-11-30 10:00", 30, 12)], at="2019-12-02 03:30")
    story.settle(HANGZHOU, [Trip(SHANGHAI, 200, "2019-12-02 10:00")], at="2019-12-02 13:30")
    story.refund(late, 500, at="2019-12-03 09:00")
    story.dispute(upheld, at="2019-12-03 10:00")
    story.answer(upheld, at="2019-12-05 10:00")
    story.dispute(open_, at="2019-12-05 11:00")
    story.deposit(XUZHOU, 300, "ABC 9", at="2019-12-09 09:30")
    story.pay_arrears(XUZHOU, SHANGHAI, at="2019-12-09 10:00")
    story.withdraw(SHANGHAI, 600, "OUT 1", at="2019-12-10 11:00")
    story.settle(SHANGHAI, [Trip(HANGZHOU, 100, "2020-01-01 01:30")], at="2020-01-01 02:00")
    story.settle(SHANGHAI, [Trip(HANGZHOU, 50, "2019-12-31 20:00", 24, 0)], at="2020-01-02 09:00")
    story.quiet_block(at="2020-01-03 09:00")
    return story
