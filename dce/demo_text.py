"""What the demo prints: one line a call, one call in full, the books. Text only, WIDTH wide."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dce.demo_calls import DemoCall
from dce.demo_plan import unmet_criteria
from dce.demo_trace import WIDTH
from vocabulary.money import format_micros

GOOD, BAD = "✓", "✗"
Row = Mapping[str, Any]

REASON_WORDS = {
    "below_floor": "below the floor of {floor}",
    "outbid": "outbid",
    "concurrency": "every line of the target is taken",
    "day_cap": "the target has had its calls for the day",
    "hour_cap": "the target has had its calls for the hour",
    "target_schedule": "the target is closed",
    "funds": "not enough money",
    "budget": "the bid has spent its budget",
    "expired": "the bid has expired",
    "paused_by_hand": "the target is paused",
    "not_linked": "the campaign does not sell to this target",
    "no_gateway": "no way to the target",
    "buyer_not_active": "the buyer is not active",
}


class Paint:
    """Colours for a terminal; plain text for anything else."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def bold(self, text: str) -> str:
        """Headings."""
        return self._wrap("1", text)

    def dim(self, text: str) -> str:
        """What matters less."""
        return self._wrap("2", text)

    def mark(self, good: bool) -> str:
        """A green tick or a red cross."""
        return self._wrap("32", GOOD) if good else self._wrap("31", BAD)

    def _wrap(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._on else text


def heading(title: str, paint: Paint) -> str:
    """A section's first line."""
    return f"\n{paint.bold(title)} {paint.dim('─' * (WIDTH - len(title) - 1))}"


def calls_heading(paint: Paint) -> str:
    """Names of the columns of `call_line`."""
    left = f"    {'call':<33} {'caller':<12} {'over':<4} {'what happened':<28}"
    return paint.dim(f"{left} {'talk':>6} {'price':>6}")


def call_line(
    planned: DemoCall, status: int, record: Row | None, good: bool, paint: Paint
) -> str:
    """One call in one line. status: what the caller got."""
    talk = price = ""
    if record is not None and record["connected_s"]:
        talk = f"{record['connected_s']:.1f} s"
        price = record["revenue"]
    return (
        f"  {paint.mark(good)} {planned.title:<33} {planned.call.caller:<12}"
        f" {planned.transport:<4} {_happened(status, record)[:28]:<28} {talk:>6} {price:>6}"
    ).rstrip()


def _happened(status: int, record: Row | None) -> str:
    """ "acme 486, bestrate 200", "480 no bid, day cap" or what there is to say."""
    if record is None:
        return f"{status or 'no answer'}, not recorded"
    if record["attempts"]:
        legs = [f"{leg['target'].removesuffix('-desk')} {leg['status']}"
                for leg in record["attempts"]]
        return ", ".join(legs)
    words = (record["refused"] or "").replace("_", " ")
    reasons = record["auction"]["reasons"] if record["auction"] else []
    why = "".join(f", {row['reason'].replace('_', ' ')}" for row in reasons[:1])
    return f"{record['sip_status']} {words}{why}"


def decision_lines(record: Row, plan: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    """Every bid and its reason: the ladder first, then the refused, then those never asked."""
    auction = record["auction"]
    if auction is None:
        yield "  no auction was held"
        return
    names = {buyer["id"]: buyer["name"] for buyer in plan["buyers"]}
    yield paint.dim(
        f"  {auction['price']}-price auction, floor {auction['floor']} {auction['currency']},"
        f" caller from {auction['area'] or 'no known place'}, plan {auction['plan_version']}"
    )
    tried = {leg["entry"]: leg["status"] for leg in record["attempts"]}
    first = min((entry["place"] for entry in auction["ladder"]), default=0)
    for entry in auction["ladder"]:
        rank = entry["place"] - first
        told = _tried(tried.get(rank), entry["price"])
        yield _bid_line(f"{rank + 1}.", entry, names, told)
    placed = {entry["bid"] for entry in auction["ladder"]}
    yield from _refused_lines(auction, placed, names)
    yield from _unasked_lines(record, plan, names, paint)


def _tried(status: int | None, price: str) -> str:
    if status is None:
        return "next in line, not needed"
    return f"dialled: {status}, it pays {price}" if status == 200 else f"dialled: {status}"


def _bid_line(place: str, bid: Row, names: Mapping[str, str], told: str) -> str:
    name = names.get(bid["buyer"], bid["buyer"])
    return f"  {place:>2} {name:<20} {bid['bid']:<19} {bid['amount']:>6}  {told}"


def _refused_lines(auction: Row, placed: set[str], names: Mapping[str, str]) -> Iterator[str]:
    if auction["decision"] is None:
        for row in auction["reasons"]:
            yield f"     {row['candidates']} refused: {reason_text(row['reason'], auction)}"
        return
    stands = {(entry["buyer"], entry["target"]) for entry in auction["ladder"]}
    for row in auction["decision"]:
        if row["bid"] in placed:
            continue
        words = reason_text(row["reason"], auction)
        if row["reason"] == "outbid" and (row["buyer"], row["target"]) in stands:
            words = "outbid by its buyer's own better bid"
        yield _bid_line("-", row, names, words)


def reason_text(name: str, auction: Row) -> str:
    """A reason of the record in words."""
    words = REASON_WORDS.get(name, name.replace("_", " "))
    return words.format(floor=auction["floor"])


def _unasked_lines(
    record: Row, plan: Mapping[str, Any], names: Mapping[str, str], paint: Paint
) -> Iterator[str]:
    """Bids that the index did not return: they ask for other calls."""
    auction = record["auction"]
    if auction["decision"] is None:
        return
    verticals = {campaign["id"]: campaign["vertical"] for campaign in plan["campaigns"]}
    call = (verticals[record["campaign"]], auction["area"], auction["attestation"])
    seen = {row["bid"] for row in auction["decision"]}
    for bid in plan["bids"]:
        if bid["id"] not in seen:
            row = {"buyer": bid["buyer"], "bid": bid["id"], "amount": bid["amount"]}
            yield paint.dim(_bid_line("-", row, names, unmet_criteria(bid, *call))[:WIDTH])


def record_lines(record: Row) -> Iterator[str]:
    """The call's row, in words."""
    yield f"  call        {record['id']}  {record['received_at']}"
    yield (
        f"  outcome     {record['disposition']}, SIP {record['sip_status']}, ended by the"
        f" {record['hangup']}, {record['connected_s']} s connected,"
        f" {'qualified' if record['qualified'] else 'not qualified'}"
    )
    yield (
        f"  sold        {record['number']} of campaign {record['campaign']}, from"
        f" {record['publisher']} to {record['buyer']}"
    )
    times = (f"{name} {record[f'{name}_ms'] or 0:.1f}" for name in ("ringing", "answered", "ended"))
    tags = (record["auction"] or {}).get("tags") or {}
    shown = ", ".join(f"{name}={value}" for name, value in tags.items()) or "none"
    yield f"  after ms    {', '.join(times)}; tags: {shown}"
    yield f"  caller      the number is sealed; here it is subject {record['subject'][:16]}…"
    yield (
        f"  money       revenue {record['revenue']}, payout {record['payout']},"
        f" margin {record['margin']} {record['currency']}"
    )


def posting_lines(postings: Sequence[Row]) -> Iterator[str]:
    """The ledger's lines of one call and their sum."""
    for row in postings:
        yield (
            f"  {row['kind']:<10} {row['account']:<18} {row['owner'] or '-':<14}"
            f" {row['amount']:>9} {row['currency']}"
        )


def book_lines(accounts: Iterable[Row], books: "Books", paint: Paint) -> Iterator[str]:
    """Each balance as the engine holds it beside what its postings in PostgreSQL say."""
    yield paint.dim(f"    {'account':<22} {'engine':>10} {'postings':>10}")
    for row in accounts:
        posted = books.balance(row["id"])
        good = posted == row["balance"]
        name = f"{row['kind']} {row['id']}"
        yield (
            f"  {paint.mark(good)} {name:<22} {row['balance']:>10} {posted:>10} {row['currency']}"
        )
    yield (
        f"  {paint.mark(books.total_micros == 0)} Σ of {books.count} postings"
        f" = {format_micros(books.total_micros)}"
    )


class Books:
    """Sums of the ledger in PostgreSQL. rows: (account, owner, lines, micros)."""

    def __init__(self, rows: Iterable[tuple[str, str, int, int]]) -> None:
        self._owned: dict[str, int] = {}
        self.count = 0
        self.total_micros = 0
        for _, owner, lines, micros in rows:
            self.count += lines
            self.total_micros += micros
            if owner:
                self._owned[owner] = self._owned.get(owner, 0) + micros

    def balance(self, owner: str) -> str:
        """What we owe an owner: minus the sum of its lines."""
        return format_micros(-self._owned.get(owner, 0))

    def differences(self, accounts: Iterable[Row]) -> list[str]:
        """Accounts whose balance is not what their postings say, and a sum that is not zero."""
        found = [
            f"account {row['id']}: {row['balance']}, its postings say {self.balance(row['id'])}"
            for row in accounts
            if row["balance"] != self.balance(row["id"])
        ]
        if self.total_micros:
            found.append(f"the postings sum to {format_micros(self.total_micros)}, not to 0")
        return found
