"""How to call the demo with a softphone, and what its buyers' phones tell of such calls."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from dce.demo_calls import AUTO, HOME
from dce.demo_exchange import Entry
from dce.demo_phones import BuyerPhone
from sip.edge.address import route_source
from vocabulary import limits

ELSEWHERE = "192.0.2.1"  # a documentation address: asked of the routing table, never contacted


def softphone_lines(entry: Entry, url: str, *, lan: bool) -> Iterator[str]:
    """One line a softphone, what it will hear, and how to end the demo.

    url: of the HTTP API. lan: private networks are let in.
    """
    host = lan_address() if entry.wide and lan else entry.host
    port = "" if entry.udp_port == 5060 else f":{entry.udp_port}"
    uri = f"sip:{HOME}@{host}{port}"
    yield f"  any softphone   no registration needed, call {uri}"
    yield f"  baresip         baresip -e 'd {uri}'"
    yield f"  pjsua           pjsua --null-audio {uri}"
    yield f"  Linphone        without an account: type {uri} and call"
    yield ""
    yield f"  {HOME} answers after 1.5 s, whoever calls. The bids for {AUTO} ask for a place:"
    yield "  call it as sip:+12125550150@…, or get 480. The phones of the demo only signal, so you"
    yield "  hear silence. RTP flows directly between caller and buyer until media is anchored."
    if lan:
        yield "  Private networks are let in (--lan)."
    else:
        yield f"  Only {entry.host} is let in; --lan opens the demo for phones on your network."
    yield f"  Metrics: {url}/metrics. Ctrl-C drains and ends."


def lan_address() -> str:
    """The address under which this machine is seen in its network."""
    return route_source(ELSEWHERE)


def listen_in(buyers: Mapping[str, BuyerPhone], tell: Callable[[str], None]) -> None:
    """Tell one line for each step of a softphone's call at a buyer's phone."""
    for target, phone in buyers.items():
        phone.heard = _teller(target, tell)


def _teller(target: str, tell: Callable[[str], None]) -> Callable[[str, str], None]:
    def heard(caller: str, what: str) -> None:
        text = "".join(c if c.isprintable() else "?" for c in caller)
        shown = text[: limits.caller_shown_characters_max]
        tell(f"  {datetime.now():%H:%M:%S}  {target}: call from {shown or 'anonymous'} {what}")

    return heard
