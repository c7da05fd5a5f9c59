"""Why a candidate did not get a call, and why a call was refused: one enum, one cause an id.

Numbers are fixed for ever (docs and reports carry them). Ids 500–755: one byte as an ordinal
(id − 500) in the reason vector of an auction. OPENRTB maps each to its nearest number in the
lists of OpenRTB 2.6 / 3.0 (loss reasons, no-bid reasons, seat non-bid).
"""

from enum import IntEnum

REASON_BASE = 500
ELIGIBLE = 255  # ordinal of a candidate that stands: it won, or it is on the ladder


class Reason(IntEnum):
    """Refusal ids of candidates. See docs/call.md for the order in which they are tested."""

    TARGET_SCHEDULE = 500
    HOUR_CAP = 501
    DAY_CAP = 502
    MONTH_CAP = 503
    TOTAL_CAP = 504
    MONEY_CAP = 505
    CONCURRENCY = 506
    DUPLICATE_CONNECTED = 507
    DUPLICATE_CONVERTED = 508
    PLACE = 509
    ATTESTATION = 510
    CONSENT = 511
    DO_NOT_CALL = 512
    CALLING_HOURS = 513
    LITIGATOR_LIST = 514
    FRAUD = 515
    FUNDS = 516
    PACING = 517
    PING_LIMIT = 518
    CHAIN_LOOP = 519
    LATE = 520
    BELOW_MARGIN = 521
    CONSENT_REVOKED = 522
    EMERGENCY = 523
    LAW_CALL_CAP = 524
    REASSIGNED_NUMBER = 525
    CALLER_INVALID = 526
    CALLER_ANONYMOUS = 527
    COMPLIANCE_UNUSABLE = 528
    CALLER_SCHEDULE = 529
    BUYER_NOT_ACTIVE = 530
    PAUSED_BY_HAND = 531
    PAUSED_BY_DISCIPLINE = 532
    NOT_LINKED = 533
    VERTICAL = 534
    LANGUAGE = 535
    DEVICE = 536
    SUB_ID = 537
    KEYWORD = 538
    LIST = 539
    DUPLICATE_INCOMING = 540
    FREQUENCY = 541
    BIDDER_UNHEALTHY = 542
    NOT_ENOUGH_TIME = 543
    NO_GATEWAY = 544
    NEEDS_MEDIA = 545
    OUTBID = 546
    LOST_TO_DEAL = 547
    BELOW_FLOOR = 548
    EXPIRED = 549
    PRICE_BASIS = 550
    CURRENCY = 551
    LOST_RESERVE_RACE = 552
    CALL_RATE = 553
    DUPLICATE_ELSEWHERE = 554
    BUDGET = 555


class Refused(IntEnum):
    """Why a whole call was refused or lost; 0 means it was not. Internal, beside the SIP status."""

    NONE = 0
    UNKNOWN_SOURCE = 1  # 403
    UNKNOWN_NUMBER = 2  # 404
    NOT_DIALLABLE = 3  # 403: the trunk may not dial this number
    CAMPAIGN_PAUSED = 4  # 480
    CAMPAIGN_SCHEDULE = 5  # 480
    CAMPAIGN_CAP = 6  # 480
    CAMPAIGN_CONCURRENCY = 7  # 480
    NO_BID = 8  # 480: no candidate stood
    LADDER_EMPTY = 9  # every entry failed
    LADDER_TIMEOUT = 10
    SETUP_TIMEOUT = 11
    JOURNAL_LATE = 12  # 500: no Durable in time
    JOURNAL_FAILED = 13  # 500
    NO_PLAN = 14  # 503
    CALLS_FULL = 15  # 503
    FAULT = 16  # 500: an error of ours
    RESTART = 17  # the process ended while the call lived
    PUBLISHER_PAUSED = 18  # 480
    DRAINING = 19  # 503


# Ordinal of OpenRTB 2.6 §5.25 loss reason codes (1 internal error, 2 expired, 100 below floor,
# 101 below deal floor, 102 lost to higher bid, 103 lost to a deal) or, from 1000, of 3.0 no-bid
# (1000 + code) for candidates that never bid for this call.
OPENRTB: dict[Reason, int] = {
    Reason.OUTBID: 102,
    Reason.LOST_TO_DEAL: 103,
    Reason.BELOW_FLOOR: 100,
    Reason.EXPIRED: 2,
    Reason.LATE: 2,
    Reason.PRICE_BASIS: 3,
    Reason.CURRENCY: 3,
    Reason.LOST_RESERVE_RACE: 1,
    Reason.NOT_ENOUGH_TIME: 1009,
    Reason.FRAUD: 1004,
    Reason.FREQUENCY: 1010,
    Reason.CHAIN_LOOP: 1012,
    Reason.PACING: 1010,
    Reason.BUDGET: 1010,
    Reason.FUNDS: 1010,
}
OPENRTB_OTHER = 1000  # 3.0: unknown / technical no-bid for all that has no nearer number


def openrtb_code(reason: Reason) -> int:
    """The OpenRTB number a reason is reported as."""
    return OPENRTB.get(reason, OPENRTB_OTHER)
