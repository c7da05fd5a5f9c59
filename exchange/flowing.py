"""What moves a call on after its first dial: ringing, answer, the disk, the ACK, both BYEs.

Each function takes one input of the table in exchange.states; where the table has no cell the
input is ignored and counted, since on a wire with races any notice may come late.
"""

from __future__ import annotations

from exchange import ladder, settle
from exchange.call import Call
from exchange.room import Room
from exchange.states import (
    ACKED,
    ANSWERED,
    ANSWERING,
    BUYER_ENDED,
    CALLER_ENDED,
    CANCELED,
    CLOSED,
    CONFIRMING,
    CONNECTED,
    DIALING,
    DURABLE,
    ENDING,
    ORPHANED,
    PROGRESS,
    RINGING,
    UNACKED,
    UNDURABLE,
)
from sip.signals import (
    Answer,
    AnswerSent,
    By,
    CallCanceled,
    Cancel,
    Hangup,
    Join,
    LegAcked,
    LegAnswered,
    LegEnded,
    LegProgress,
    LegReleased,
    Reject,
    Renegotiated,
    Ring,
)
from vocabulary import facts, limits
from vocabulary.crash_points import crash_point
from vocabulary.facts import Disposition, Party
from vocabulary.reasons import Refused


def progress(desk: Room, call: Call, notice: LegProgress, now_ns: int) -> None:
    """1xx from the buyer: 101–199 goes up with its body; ring limits are not reset."""
    if notice.leg != call.b_leg:
        return
    call.heard = True
    if notice.status == 100:
        return
    if not call.advance(PROGRESS):
        desk.count("ignored")
        return
    call.rang_ns = call.rang_ns or now_ns
    call.ringing_ns = call.ringing_ns or now_ns
    desk.out.append(
        Ring(call.a_leg, notice.status, call.attempt_no, notice.body, notice.content_type)
    )


def answered(desk: Room, call: Call, notice: LegAnswered, now_ns: int) -> None:
    """2xx from the buyer: write the start record and wait for the disk (architecture §2)."""
    if notice.leg != call.b_leg or not call.advance(ANSWERED):
        desk.count("ignored")
        return
    held = call.held
    assert held is not None
    desk.lanes.cancel(call.timer)
    desk.lanes.cancel(call.ladder_timer)
    call.heard = True
    call.answered_ns = now_ns
    call.answer_body = notice.body
    call.answer_type = notice.content_type
    call.body = b""
    call.start_seq = desk.emit(
        facts.CallAnswered(
            now_ns, call.call_id, call.attempt(200, "answered", 0), held.hold_micros,
            (*held.caps, *call.campaign_caps),
        )
    )
    if desk.journal_down:
        undurable(desk, call, Refused.JOURNAL_FAILED, now_ns)
        return
    desk.waiting.append((call.start_seq, call.serial))
    desk.lanes.arm(now_ns, limits.durable_wait_ns, call.timer, ladder.DURABLE_TIMER)


def durable(desk: Room, call: Call, now_ns: int) -> None:
    """The start record is on disk: our 200 leaves."""
    if not call.advance(DURABLE):
        desk.count("ignored")
        return
    desk.lanes.cancel(call.timer)
    alone = call.state == ENDING
    if not alone:  # joined first, so that an offerless caller's ACK finds the buyer's leg
        desk.out.append(Join(call.a_leg, call.b_leg))
    crash_point("answer_durable")
    desk.out.append(Answer(call.a_leg, call.attempt_no, call.answer_body, call.answer_type))
    call.answer_body = b""
    call.sent = True
    desk.count("calls_answered")
    if alone:
        desk.out.append(Hangup(call.a_leg))


def undurable(desk: Room, call: Call, refused: Refused, now_ns: int) -> None:
    """No Durable in time, or never: 500 to the caller, BYE to the buyer, nothing charged."""
    if not call.advance(UNDURABLE):
        desk.count("ignored")
        return
    if refused == Refused.JOURNAL_LATE:
        desk.count("durable_late")
        desk.journal_late = True
        desk.review_admission()
    desk.out.append(Hangup(call.b_leg))
    _void_answer(desk, call, now_ns)
    settle.reject(desk, call, 500, Disposition.FAILED, refused, now_ns)


def _void_answer(desk: Room, call: Call, now_ns: int) -> None:
    """An answer that never reached the caller is an attempt like any other."""
    call.ended_ns = call.ended_ns or now_ns
    call.attempts = (*call.attempts, call.attempt(200, "voided", now_ns))
    call.answered_ns = 0


def answer_sent(desk: Room, call: Call, notice: AnswerSent, now_ns: int) -> None:
    """The 200 left: from here on a crash charges the call up to its last heartbeat."""
    crash_point("answer_left")
    desk.emit(facts.AnswerSent(now_ns, call.call_id))


def acked(desk: Room, call: Call, notice: LegAcked, now_ns: int) -> None:
    """The caller acknowledged; a call that has ended meanwhile can now be settled."""
    if not call.advance(ACKED):
        desk.count("ignored")
    elif call.state == CLOSED:
        settle.settle_answered(desk, call, Disposition.COMPLETED, True, now_ns)


def canceled(desk: Room, call: Call, notice: CallCanceled, now_ns: int) -> None:
    """CANCEL from the caller; the endpoint has answered 200 and 487 already."""
    before = call.state
    if not call.advance(CANCELED):
        desk.count("ignored")
        return
    _give_up_buyer(desk, call, before, now_ns)
    call.hangup = Party.CALLER
    call.ended_ns = call.ended_ns or now_ns
    settle.close_unanswered(desk, call, Disposition.CANCELED, Refused.NONE, 487, now_ns)


def _give_up_buyer(desk: Room, call: Call, state: int, now_ns: int) -> None:
    """CANCEL what rings, BYE what answered."""
    if state in (DIALING, RINGING):
        desk.out.append(Cancel(call.b_leg))
        call.attempts = (*call.attempts, call.attempt(487, "canceled", now_ns))
    elif state in (ANSWERING, ORPHANED, CONFIRMING, ENDING):
        desk.out.append(Hangup(call.b_leg))
        _void_answer(desk, call, now_ns)


def ended(desk: Room, call: Call, notice: LegEnded, now_ns: int) -> None:
    """A leg's dialog ended. The endpoint sends the BYE of a joined peer itself.

    What we end ourselves closes its call first; LOCAL on one that lives is a fault of ours.
    """
    if notice.leg == call.a_leg:
        _caller_ended(desk, call, notice, now_ns)
    elif notice.leg == call.b_leg:
        _buyer_ended(desk, call, notice, now_ns)
    else:
        desk.count("ignored")


def _caller_ended(desk: Room, call: Call, notice: LegEnded, now_ns: int) -> None:
    before = call.state
    # Short of its ACK only the caller's own BYE shows that it heard our 200 (rule 28).
    unheard = before in (CONFIRMING, ENDING) and notice.by != By.REMOTE
    unacked = unheard or notice.by == By.NO_ACK
    if not call.advance(UNACKED if unacked else CALLER_ENDED):
        desk.count("ignored")
        return
    if before in (DIALING, RINGING, ANSWERING, ORPHANED):
        call.state = before
        give_up(desk, call, now_ns)
        return
    if before != ENDING:
        call.ended_ns = now_ns
        ours = unacked or notice.by == By.LOCAL
        call.hangup = Party.EXCHANGE if ours else Party.CALLER
    disposition = Disposition.NO_ACK if unacked else Disposition.COMPLETED
    settle.settle_answered(desk, call, disposition, not unacked, now_ns)


def _buyer_ended(desk: Room, call: Call, notice: LegEnded, now_ns: int) -> None:
    before = call.state
    if not call.advance(BUYER_ENDED):
        desk.count("ignored")
        return
    call.hangup = Party.EXCHANGE if notice.by == By.LOCAL else Party.BUYER
    call.ended_ns = call.answered_ns if before == ANSWERING else now_ns
    if before != CONNECTED:
        talked_ns = call.ended_ns - call.answered_ns
        desk.emit(facts.TalkEnded(now_ns, call.call_id, talked_ns))
    else:
        settle.settle_answered(desk, call, Disposition.COMPLETED, True, now_ns)


def released(desk: Room, call: Call, notice: LegReleased, now_ns: int) -> None:
    """A leg is gone whole; if its call still lived, something of ours was wrong: end it."""
    desk.leg_gone(notice.leg)
    if notice.leg == call.a_leg:
        if call.state in (CONFIRMING, ENDING):
            call.state = CLOSED
            call.ended_ns = call.ended_ns or now_ns
            settle.settle_answered(desk, call, Disposition.NO_ACK, False, now_ns)
        elif call.state == CONNECTED:
            call.state = CLOSED
            call.ended_ns = now_ns
            settle.settle_answered(desk, call, Disposition.COMPLETED, True, now_ns)
        else:
            give_up(desk, call, now_ns)


def renegotiated(desk: Room, call: Call, notice: Renegotiated, now_ns: int) -> None:
    """A re-INVITE passed on ended after whoever asked for it was gone: nobody to tell."""
    desk.count("ignored")


def abandon(desk: Room, call: Call, now_ns: int) -> None:
    """Let go of a call in which even the normal end failed: no charge, everything released."""
    call.state = CLOSED
    desk.out.append(Hangup(call.a_leg) if call.sent else Reject(call.a_leg, 500))
    desk.out.append(Hangup(call.b_leg))
    call.answered_ns = 0
    try:
        settle.close_unanswered(desk, call, Disposition.FAILED, Refused.FAULT, 500, now_ns)
    except Exception:
        desk.count("faults")
        desk.closed(call, Disposition.FAILED)


def give_up(
    desk: Room, call: Call, now_ns: int, refused: Refused = Refused.FAULT, status: int = 500
) -> None:
    """End a call from any state: both legs, record, release. Never charges a caller unheard.

    refused, status: what a caller without an answer gets, and the record says.
    """
    state = call.state
    if state == CLOSED:  # it was on its way out when something failed
        abandon(desk, call, now_ns)
        return
    call.hangup = Party.EXCHANGE
    if state in (CONFIRMING, CONNECTED, ENDING) and call.held is not None:
        call.state = CLOSED
        call.ended_ns = call.ended_ns or now_ns
        desk.out.append(Hangup(call.a_leg))
        desk.out.append(Hangup(call.b_leg))
        settle.settle_answered(
            desk, call, Disposition.COMPLETED, state == CONNECTED, now_ns
        )
        return
    call.state = CLOSED
    if call.b_leg:
        _give_up_buyer(desk, call, state, now_ns)
    desk.out.append(Reject(call.a_leg, status))
    settle.close_unanswered(desk, call, Disposition.FAILED, refused, status, now_ns)


