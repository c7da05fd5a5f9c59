"""Small integers for plan ids, so that columns can be arrays. A slot is never freed or reused.

```
targets      {"north-desk": 0, "south-desk": 1}     id → slot
target_ids   ["north-desk", "south-desk"]           slot → id
```
The desk owns the one instance; a checkpoint saves `snapshot()`, so that slots survive a restart.
"""

from vocabulary import limits
from vocabulary.errors import CommandRefused

KINDS = ("buyer", "target", "campaign", "gateway", "publisher")
# Ids of deleted objects keep their slot, so a kind may hold several plans' worth of ids.
SLOTS_PER_KIND_MAX = 4 * max(
    limits.buyers_max, limits.targets_max, limits.campaigns_max, limits.publishers_max
)


class Slots:
    """id → slot and slot → id of each kind of plan object; grows only, up to a bound."""

    __slots__ = (
        "_ids",
        "_slots",
        "buyer_ids",
        "buyers",
        "campaign_ids",
        "campaigns",
        "gateway_ids",
        "gateways",
        "publisher_ids",
        "publishers",
        "target_ids",
        "targets",
    )

    def __init__(self) -> None:
        self.buyers: dict[str, int] = {}
        self.targets: dict[str, int] = {}
        self.campaigns: dict[str, int] = {}
        self.gateways: dict[str, int] = {}
        self.publishers: dict[str, int] = {}
        self.buyer_ids: list[str] = []
        self.target_ids: list[str] = []
        self.campaign_ids: list[str] = []
        self.gateway_ids: list[str] = []
        self.publisher_ids: list[str] = []
        self._slots = dict(
            zip(
                KINDS,
                (self.buyers, self.targets, self.campaigns, self.gateways, self.publishers),
                strict=True,
            )
        )
        self._ids = dict(
            zip(
                KINDS,
                (
                    self.buyer_ids,
                    self.target_ids,
                    self.campaign_ids,
                    self.gateway_ids,
                    self.publisher_ids,
                ),
                strict=True,
            )
        )

    def slot(self, kind: str, plan_id: str) -> int:
        """Slot of an id, allocated on first sight. kind: one of KINDS.

        Raises CommandRefused("slots_full") when the kind has seen too many different ids.
        """
        slots = self._slots[kind]
        found = slots.get(plan_id)
        if found is not None:
            return found
        if len(slots) >= SLOTS_PER_KIND_MAX:
            raise CommandRefused(
                "slots_full", f"more than {SLOTS_PER_KIND_MAX} different {kind} ids since the start"
            )
        slots[plan_id] = len(slots)
        self._ids[kind].append(plan_id)
        return slots[plan_id]

    def snapshot(self) -> dict[str, list[str]]:
        """Ids of each kind in slot order, for a checkpoint."""
        return {kind: list(ids) for kind, ids in self._ids.items()}

    def restore(self, saved: dict[str, list[str]]) -> None:
        """Take over a snapshot. Only into an empty instance (asserted)."""
        assert not any(self._slots.values()), "slots are restored before any plan is built"
        for kind, ids in saved.items():
            for plan_id in ids:
                self.slot(kind, plan_id)
