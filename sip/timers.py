# cython: boundscheck=False, initializedcheck=False
"""Timer lanes: one FIFO per duration (RFC 3261 has about a dozen). Sans-IO.

Every timer of one duration is appended behind those armed before it, so each lane is sorted by
itself and arming costs O(1). Cancelling moves the owner's generation on, and an entry of an older
generation is skipped when it reaches the head; of an owner's entries the one with the longest
duration lets go of it at once, so that nothing that has ended is kept for 64·T1.

    lane 0.5 s   block │ due₁ tag₁   due₂ tag₂   … │ ─► block │ …      tag = generation << 5 | kind
                       │ owner₁      owner₂      … │
                         ▲ head: the earliest of its lane; the earliest head of all lanes is the
    lane 32 s    …         next deadline

A block is two arrays, not an object a timer: 24 octets an entry. It is freed once it is behind
the head, and no lane is ever copied to grow.
"""

from array import array

from vocabulary.errors import LocalProtocolError

BLOCK = 128  # entries of one block
NEVER = 2**62  # later than any due time: about 146 years of nanoseconds

# The literals below, which stay in C: NEVER, the shifts and masks of BLOCK and of a tag's kind.
# Places are counted modulo 2³².
assert NEVER == 0x4000_0000_0000_0000
assert BLOCK == 128 == 1 << 7 == 127 + 1
assert 31 == (1 << 5) - 1


class Owner:
    """Whoever timers belong to; subclass it. Moving `generation` on disarms all of them.

    lane, place: where the armed timer of the longest duration stands; see Lane.forget.
    """

    __slots__ = ("armed", "generation", "lane", "place")

    def __init__(self) -> None:
        self.generation = 0
        self.armed = 0
        self.lane = 0
        self.place = 0


class Block:
    """128 entries of a lane. cells: due and tag of each in turn."""

    __slots__ = ("cells", "owners")

    def __init__(self) -> None:
        self.cells = array("q", bytes(16 * BLOCK))
        self.owners: list[Owner | None] = [None] * BLOCK


class Lane:
    """Entries of one duration, oldest first. number: its place among the lanes of its core.

    head, tail: of the first and the last block. base: place of the first block's first entry.
    """

    __slots__ = (
        "base", "blocks", "duration_ns", "first", "head", "head_due_ns", "last", "number", "tail",
    )  # fmt: skip

    def __init__(self, duration_ns: int, number: int) -> None:
        self.duration_ns = duration_ns
        self.number = number
        self.first = self.last = Block()
        self.blocks = [self.first]
        self.head = 0
        self.tail = 0
        self.base = 0
        self.head_due_ns = 0x4000_0000_0000_0000

    def append(self, due_ns: int, owner: Owner, tag: int) -> int:
        """Put an entry behind all others; due_ns never less than the last one's. Its place."""
        tail = self.tail
        if tail == 128:
            self.last = Block()
            self.blocks.append(self.last)
            tail = 0
        last = self.last
        last.cells[2 * tail] = due_ns
        last.cells[2 * tail + 1] = tag
        last.owners[tail] = owner
        self.tail = tail + 1
        if self.head_due_ns == 0x4000_0000_0000_0000:
            self.head_due_ns = due_ns
        return self.base + (len(self.blocks) - 1 << 7) + tail

    def advance(self) -> None:
        """Drop the head entry, and its block behind its last one."""
        self.first.owners[self.head] = None
        self.head = self.head + 1
        if self.first is self.last:
            if self.head == self.tail:
                self.base = self.base + self.head
                self.head = 0
                self.tail = 0
                self.head_due_ns = 0x4000_0000_0000_0000
                return
        elif self.head == 128:
            del self.blocks[0]
            self.first = self.blocks[0]
            self.base = self.base + 128
            self.head = 0
        self.head_due_ns = self.first.cells[2 * self.head]

    def forget(self, owner: Owner) -> None:
        """Let the entry at the owner's place go of it; nothing happens if that one has passed."""
        at = owner.place - self.base & 0xFFFF_FFFF
        if at >= len(self.blocks) << 7:
            return
        block = self.blocks[at >> 7]
        if block.owners[at & 127] is owner:
            block.owners[at & 127] = None

    def live_head(self) -> Owner | None:
        """The owner of the head entry, or None if that timer was cancelled."""
        owner = self.first.owners[self.head]
        if owner is None or self.first.cells[2 * self.head + 1] >> 5 != owner.generation:
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
        if kind < 0 or kind > 31 or duration_ns <= 0:
            raise LocalProtocolError("timer kind or duration out of range")
        lane = self.lanes.get(duration_ns)
        if lane is None:
            lane = Lane(duration_ns, len(self.order))
            self.lanes[duration_ns] = lane
            self.order.append(lane)
        tag = owner.generation
        place = lane.append(now_ns + duration_ns, owner, tag << 5 | kind)
        if owner.armed == 0 or self.lane_of(owner).duration_ns <= duration_ns:
            owner.lane = lane.number
            owner.place = place
        owner.armed = owner.armed + 1
        self.live = self.live + 1

    def lane_of(self, owner: Owner) -> Lane:
        """Where the longest timer of an owner stands."""
        return self.order[owner.lane]

    def cancel(self, owner: Owner) -> None:
        """Disarm every timer of owner; nothing happens if it has none."""
        if owner.armed:
            self.live = self.live - owner.armed
            owner.armed = 0
            owner.generation = owner.generation + 1
            self.lane_of(owner).forget(owner)

    def pop(self, now_ns: int) -> Owner | None:
        """The owner whose live timer came due first, at or before now_ns; None if none did.

        Its kind is left in `self.kind`. Of equal due times the older lane goes first.
        """
        lane = self.earliest()
        if lane is None or lane.head_due_ns > now_ns:
            return None
        owner = lane.first.owners[lane.head]
        assert owner is not None
        self.kind = lane.first.cells[2 * lane.head + 1] & 31
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
        best_due_ns = 0x4000_0000_0000_0000
        for lane in self.order:
            while lane.head_due_ns < best_due_ns:
                if lane.live_head() is not None:
                    best = lane
                    best_due_ns = lane.head_due_ns
                    break
                lane.advance()
        return best
