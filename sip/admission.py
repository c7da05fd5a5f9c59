"""Admission of new calls: a token bucket, and a gate that the desk opens and closes.

Only an INVITE without To tag that matches no transaction is ever refused here; what belongs to
a call that we took is always served. The refusal is a stateless 503 with Retry-After.
"""

from sip.core import Core
from sip.counters import SHED
from sip.message import Message
from sip.refuse import refuse
from sip.signals import Flow
from vocabulary.limits import NS_PER_S, legs_max, retry_after_s, transactions_max

BURST_DIVISOR = 5  # the bucket holds what 200 ms bring


class Admission:
    """The bucket and the gate. calls_per_s_max: 0 for no limit; tokens are counted in ns."""

    __slots__ = ("burst_ns", "call_ns", "filled_at_ns", "is_open", "retry_after_s", "tokens_ns")

    def __init__(self, calls_per_s_max: int) -> None:
        self.call_ns = NS_PER_S // calls_per_s_max if calls_per_s_max else 0
        burst = max(1, calls_per_s_max // BURST_DIVISOR)
        self.burst_ns = burst * self.call_ns
        self.tokens_ns = self.burst_ns
        self.filled_at_ns = 0
        self.is_open = True
        self.retry_after_s = retry_after_s

    def take(self, now_ns: int) -> bool:
        """Whether one more call may be taken now; if so it is taken."""
        if not self.is_open:
            return False
        if not self.call_ns:
            return True
        self.tokens_ns = min(self.burst_ns, self.tokens_ns + now_ns - self.filled_at_ns)
        self.filled_at_ns = now_ns
        if self.tokens_ns < self.call_ns:
            return False
        self.tokens_ns = self.tokens_ns - self.call_ns
        return True


def shed(core: Core, admission: Admission, message: Message, flow: Flow, now_ns: int) -> bool:
    """Refuse a new call if there is no room for it. True if it was refused."""
    is_full = len(core.legs) >= legs_max or len(core.servers) >= transactions_max
    if not is_full and admission.take(now_ns):
        return False
    core.count(SHED)
    refuse(core, message, flow, 503, b"Retry-After: %d\r\n" % admission.retry_after_s)
    return True
