"""Timer lanes: one FIFO per duration (RFC 3261 has about a dozen). Sans-IO.

Every timer of one duration is appended behind those armed before it, so each lane is sorted by
itself and arming costs O(1). Cancelling touches no lane: it moves the owner's generation on, and
an entry of an older generation is skipped when it reaches the head.

    lane 0.5 s   dues   │ due₁   due₂   …
                 owners │ owner₁ owner₂ …
                 tags   │ tag₁   tag₂   …     tag = generation << 5 | kind
                          ▲ head: the earliest of its lane; the earliest head of all lanes
    lane 32 s    …          is the next deadline
"""

from vocabulary.errors import LocalProtocolError

KIND_BITS = 5  # few, so that most tags are among the small integers that exist once
KIND_MASK = 31
COMPACT_AT = 1024  # entries in front of the head before their slots are given back
NEVER = 2**62  # later than any due time: about 146 years of nanoseconds


class Owner:
    """Whoever timers belong to; subclass it. Moving `generation` on disarms all of them."""

    __slots__ = ("armed", "generation")

    def __init__(self) -> None:
        self.generation = 0
        self.armed = 0


class Lane:
    """Entries of one duration, oldest first."""

    __slots__ = ("dues", "head", "head_due_ns", "owners", "tags")

    def __init__(self) -> None:
        self.dues: list[int] = []
        self.owners: list[Owner | None] = []
        self.tags: list[int] = []
        self.head = 0
        self.head_due_ns = NEVER

    def append(self, due_ns: int, owner: Owner, tag: int) -> None:
        """Put an entry behind all others; due_ns never less than the last one's."""
        self.dues.append(due_ns)
        self.owners.append(owner)
        self.tags.append(tag)
        if self.head_due_ns == NEVER:
            self.head_due_ns = due_ns

    def advance(self) -> None:
        """Drop the head entry; slots are given back in blocks, so O(1) on average."""
        self.owners[self.head] = None
        self.head = self.head + 1
        if self.head == len(self.dues):
            self.give_back()
            self.head_due_ns = NEVER
            return
        if self.head >= COMPACT_AT and self.head * 2 >= len(self.dues):
            self.give_back()
        self.head_due_ns = self.dues[self.head]

    def give_back(self) -> None:
        """Free the slots in front of the head."""
        del self.dues[: self.head]
        del self.owners[: self.head]
        del self.tags[: self.head]
        self.head = 0

    def live_head(self) -> Owner | None:
        """The owner of the head entry, or None if that timer was cancelled."""
        owner = self.owners[self.head]
        if owner is None or self.tags[self.head] >> KIND_BITS != owner.generation:
            return None
        return owner


class Lanes:
    """All timers of one core. `live` counts armed timers, `kind` is that of the last pop.

    Usage: arm(now, duration, owner, kind); cancel(owner); then, when deadline() has come,
    `while (owner := lanes.pop(now)) is not None: fire(owner, lanes.kind)`.
    """

    __slots__ = ("kind", "lanes", "late_ns_max", "live", "order")

    def __init__(self) -> None:
        self.lanes: dict[int, Lane] = {}
        self.order: list[Lane] = []
        self.live = 0
        self.kind = 0
        self.late_ns_max = 0

    def arm(self, now_ns: int, duration_ns: int, owner: Owner, kind: int) -> None:
        """Let `kind` (0..31) of owner come due duration_ns (> 0) after now_ns.

        now_ns never goes backward between calls. Raises LocalProtocolError on a kind or
        duration out of range.
        """
        if kind < 0 or kind > KIND_MASK or duration_ns <= 0:
            raise LocalProtocolError("timer kind or duration out of range")
        lane = self.lanes.get(duration_ns)
        if lane is None:
            lane = Lane()
            self.lanes[duration_ns] = lane
            self.order.append(lane)
        lane.append(now_ns + duration_ns, owner, owner.generation << KIND_BITS | kind)
        owner.armed = owner.armed + 1
        self.live = self.live + 1

    def cancel(self, owner: Owner) -> None:
        """Disarm every timer of owner; nothing happens if it has none."""
        if owner.armed:
            self.live = self.live - owner.armed
            owner.armed = 0
            owner.generation = owner.generation + 1

    def pop(self, now_ns: int) -> Owner | None:
        """The owner whose live timer came due first, at or before now_ns; None if none did.

        Its kind is left in `self.kind`. Of equal due times the older lane goes first.
        """
        lane = self.earliest()
        if lane is None or lane.head_due_ns > now_ns:
            return None
        owner = lane.owners[lane.head]
        assert owner is not None
        self.kind = lane.tags[lane.head] & KIND_MASK
        if now_ns - lane.head_due_ns > self.late_ns_max:
            self.late_ns_max = now_ns - lane.head_due_ns
        lane.advance()
        owner.armed = owner.armed - 1
        self.live = self.live - 1
        return owner

    def deadline(self) -> int | None:
        """Engine time of the next live timer in ns, or None."""
        lane = self.earliest()
        return None if lane is None else lane.head_due_ns

    def earliest(self) -> Lane | None:
        """The lane with the earliest live head; stale heads are dropped on the way."""
        best: Lane | None = None
        best_due_ns = NEVER
        for lane in self.order:
            while lane.head_due_ns < best_due_ns:
                if lane.live_head() is not None:
                    best = lane
                    best_due_ns = lane.head_due_ns
                    break
                lane.advance()
        return best
