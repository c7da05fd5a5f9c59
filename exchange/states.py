"""The states of a call as one table: what may follow what, and nothing else (exchange §3).

```
            ┌───────────── next entry ─────────────┐
 (offered) ─► DIALING ──18x──► RINGING ──┐          │
                │  └───────────2xx──────┴─► ANSWERING ──durable──► CONFIRMING ──ACK──► CONNECTED
                │                             │   └─BYE of buyer─► ORPHANED ──durable──► ENDING
                ▼                             ▼                        │                   │
              CLOSED ◄──── CANCEL, late or failed disk ◄───────────────┴──── ACK, BYE, 64·T1
```
ANSWERING waits for the start record; ORPHANED is the same with the buyer gone already. ENDING
has ended but waits to learn whether the caller ever acknowledged the 200 (rule 28): a call whose
200 was never acknowledged is not charged. CANCELED in CONFIRMING or ENDING is a CANCEL that the
endpoint took in the very turn in which our 200 was to leave: it did not. An absent cell is
ignored and counted: on a wire with races any notice may come late.
"""

(DIALING, RINGING, ANSWERING, ORPHANED, CONFIRMING, CONNECTED, ENDING, CLOSED) = range(8)

STATE_NAMES = (
    "dialing", "ringing", "answering", "answering", "connected", "connected", "ended", "settled",
)

(
    PROGRESS,  # 18x from the buyer
    FAILED,  # the attempt failed: next entry, or none left
    EMPTY,  # the ladder is empty or out of time
    ANSWERED,  # 2xx from the buyer
    CANCELED,  # CANCEL from the caller
    DURABLE,  # the start record is on disk
    UNDURABLE,  # it is late, or the journal failed
    ACKED,  # the caller's ACK
    BUYER_ENDED,  # BYE, loss or fault on the buyer's leg
    CALLER_ENDED,  # BYE, loss or fault on the caller's leg
    UNACKED,  # 64·T1 without ACK
) = range(11)

INPUT_NAMES = (
    "progress", "failed", "empty", "answered", "canceled", "durable", "undurable", "acked",
    "buyer_ended", "caller_ended", "unacked",
)

CALL: dict[int, dict[int, int]] = {
    DIALING: {PROGRESS: RINGING, FAILED: DIALING, EMPTY: CLOSED, ANSWERED: ANSWERING,
              CANCELED: CLOSED, CALLER_ENDED: CLOSED},
    RINGING: {PROGRESS: RINGING, FAILED: DIALING, EMPTY: CLOSED, ANSWERED: ANSWERING,
              CANCELED: CLOSED, CALLER_ENDED: CLOSED},
    ANSWERING: {DURABLE: CONFIRMING, UNDURABLE: CLOSED, CANCELED: CLOSED,
                BUYER_ENDED: ORPHANED, CALLER_ENDED: CLOSED},
    ORPHANED: {DURABLE: ENDING, UNDURABLE: CLOSED, CANCELED: CLOSED, CALLER_ENDED: CLOSED},
    CONFIRMING: {ACKED: CONNECTED, CANCELED: CLOSED, BUYER_ENDED: ENDING, CALLER_ENDED: CLOSED,
                 UNACKED: CLOSED},
    CONNECTED: {BUYER_ENDED: CLOSED, CALLER_ENDED: CLOSED},
    ENDING: {ACKED: CLOSED, CANCELED: CLOSED, CALLER_ENDED: CLOSED, UNACKED: CLOSED},
    CLOSED: {},
}

ABSENT = 255
INPUTS = len(INPUT_NAMES)


def flatten(table: dict[int, dict[int, int]]) -> bytes:
    """One byte per cell, state-major; ABSENT where the table has none."""
    cells = bytearray([ABSENT]) * (len(table) * INPUTS)
    for state, row in table.items():
        for what, following in row.items():
            cells[state * INPUTS + what] = following
    return bytes(cells)


CELLS = flatten(CALL)


def following(state: int, what: int) -> int:
    """The next state, or ABSENT."""
    return CELLS[state * INPUTS + what]
