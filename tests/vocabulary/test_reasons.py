"""Ids of reasons are fixed for ever: written here once more, so that a change shows."""

from vocabulary.reasons import (
    ELIGIBLE,
    OPENRTB,
    OPENRTB_OTHER,
    REASON_BASE,
    Reason,
    Refused,
    openrtb_code,
)

REASONS = """
500 TARGET_SCHEDULE    501 HOUR_CAP           502 DAY_CAP             503 MONTH_CAP
504 TOTAL_CAP          505 MONEY_CAP          506 CONCURRENCY         507 DUPLICATE_CONNECTED
508 DUPLICATE_CONVERTED 509 PLACE             510 ATTESTATION         511 CONSENT
512 DO_NOT_CALL        513 CALLING_HOURS      514 LITIGATOR_LIST      515 FRAUD
516 FUNDS              517 PACING             518 PING_LIMIT          519 CHAIN_LOOP
520 LATE               521 BELOW_MARGIN       522 CONSENT_REVOKED     523 EMERGENCY
524 LAW_CALL_CAP       525 REASSIGNED_NUMBER  526 CALLER_INVALID      527 CALLER_ANONYMOUS
528 COMPLIANCE_UNUSABLE 529 CALLER_SCHEDULE   530 BUYER_NOT_ACTIVE    531 PAUSED_BY_HAND
532 PAUSED_BY_DISCIPLINE 533 NOT_LINKED       534 VERTICAL            535 LANGUAGE
536 DEVICE             537 SUB_ID             538 KEYWORD             539 LIST
540 DUPLICATE_INCOMING 541 FREQUENCY          542 BIDDER_UNHEALTHY    543 NOT_ENOUGH_TIME
544 NO_GATEWAY         545 NEEDS_MEDIA        546 OUTBID              547 LOST_TO_DEAL
548 BELOW_FLOOR        549 EXPIRED            550 PRICE_BASIS         551 CURRENCY
552 LOST_RESERVE_RACE  553 CALL_RATE          554 DUPLICATE_ELSEWHERE 555 BUDGET
"""
REFUSED = """
0 NONE              1 UNKNOWN_SOURCE       2 UNKNOWN_NUMBER    3 NOT_DIALLABLE
4 CAMPAIGN_PAUSED   5 CAMPAIGN_SCHEDULE    6 CAMPAIGN_CAP      7 CAMPAIGN_CONCURRENCY
8 NO_BID            9 LADDER_EMPTY        10 LADDER_TIMEOUT   11 SETUP_TIMEOUT
12 JOURNAL_LATE    13 JOURNAL_FAILED      14 NO_PLAN          15 CALLS_FULL
16 FAULT           17 RESTART             18 PUBLISHER_PAUSED 19 DRAINING
"""


def table(text: str) -> dict[str, int]:
    """Name → id of a table written as "id NAME id NAME …"."""
    words = text.split()
    return dict(zip(words[1::2], map(int, words[::2]), strict=True))


def test_ids_of_reasons_are_fixed() -> None:
    assert {item.name: int(item) for item in Reason} == table(REASONS)


def test_ids_of_refusals_are_fixed() -> None:
    assert {item.name: int(item) for item in Refused} == table(REFUSED)


def test_a_reason_fits_one_byte_beside_eligible() -> None:
    ordinals = {int(item) - REASON_BASE for item in Reason}
    assert len(ordinals) == len(Reason)
    assert ordinals <= set(range(ELIGIBLE))


def test_every_reason_has_an_openrtb_number() -> None:
    for reason in Reason:
        assert openrtb_code(reason) == OPENRTB.get(reason, OPENRTB_OTHER)
    assert openrtb_code(Reason.OUTBID) == 102
    assert openrtb_code(Reason.BELOW_FLOOR) == 100
    assert openrtb_code(Reason.TARGET_SCHEDULE) == OPENRTB_OTHER
