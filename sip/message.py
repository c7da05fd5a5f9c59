"""One SIP message as the scanner left it: the octets, and where things stand in them.

    data   INVITE sip:+1… SIP/2.0␍␊Via: SIP/2.0/UDP 192.0.2.1;branch=z9…␍␊From: …␍␊␍␊v=0…
           ^start ^uri_at         ^row 0 name  ^row 0 value            ^row 0 end    ^body_at
    rows   8 octets per header line: header number, 0, and three 16-bit little-endian indices
           (name, first octet of the value, CR of the line end), in message order

Nothing is copied out of `data` before somebody asks. A folded line is one row.
"""

from sip import grammar, headers

VIA = grammar.H_VIA
FROM = grammar.H_FROM
TO = grammar.H_TO
CONTACT = grammar.H_CONTACT
CONTENT_TYPE = grammar.H_CONTENT_TYPE
RECORD_ROUTE = grammar.H_RECORD_ROUTE
ONE = 1
# What a response repeats from its request besides To (RFC 3261 §8.2.6.2, §20.38).
REPEATED = bytes(
    number
    in (grammar.H_VIA, grammar.H_FROM, grammar.H_CALL_ID, grammar.H_CSEQ, grammar.H_TIMESTAMP)
    for number in range(64)
)


class Message:
    """A request or response; made by `sip.scan.scan` only, never changed afterwards.

    data, start, end: the octets and the part of them that is this message, body included.
    is_request: 1 or 0. method: M_* (of a response: its CSeq's). status: 0 for a request.
    cseq: 0..2^31-1, -1 if absent. max_forwards: 0..255, -1 if absent or above 255.
    via_rport: of the top Via: -1 no rport, 0 rport without value, else the value.
    content_length: -1 if absent, -2 if malformed or given twice.
    body_at, body_end, to_tag_end: indices, for who only asks whether a body or To tag exists.
    uri_scheme, branch, sent_by, from_tag …: properties; b"" for whatever is absent.
    """

    __slots__ = (
        "body_at",
        "body_end",
        "branch_at",
        "branch_end",
        "call_id_at",
        "call_id_end",
        "content_length",
        "cseq",
        "cseq_method_at",
        "cseq_method_end",
        "data",
        "end",
        "fault",
        "from_tag_at",
        "from_tag_end",
        "host_at",
        "host_end",
        "is_request",
        "max_forwards",
        "method",
        "method_at",
        "method_end",
        "received_at",
        "received_end",
        "received_from",
        "route_count",
        "row_count",
        "rows",
        "rport_at",
        "rport_end",
        "scheme_end",
        "seen",
        "sent_port",
        "start",
        "status",
        "to_tag_at",
        "to_tag_end",
        "transport_at",
        "transport_end",
        "uri_at",
        "uri_end",
        "via_count",
        "via_end",
        "via_rport",
    )

    data: bytes
    rows: bytes | bytearray

    def _clear(self, data: bytes, start: int, end: int) -> None:
        """Nothing known yet about data[start:end]; an index of 0 means not found."""
        self.data = data
        self.rows = data
        self.start = start
        self.end = end
        self.row_count = self.route_count = self.seen = self.fault = 0
        self.is_request = self.method = self.status = self.sent_port = self.via_count = 0
        self.cseq = self.max_forwards = self.via_rport = self.content_length = -1
        self.method_at = self.method_end = self.cseq_method_at = self.cseq_method_end = 0
        self.uri_at = self.uri_end = self.scheme_end = self.body_at = self.body_end = 0
        self.branch_at = self.branch_end = self.host_at = self.host_end = 0
        self.transport_at = self.transport_end = self.via_end = 0
        self.received_from = self.received_at = self.received_end = 0
        self.rport_at = self.rport_end = self.call_id_at = self.call_id_end = 0
        self.from_tag_at = self.from_tag_end = self.to_tag_at = self.to_tag_end = 0

    @property
    def uri(self) -> bytes:
        """Request-URI as sent."""
        return self.data[self.uri_at : self.uri_end]

    @property
    def uri_scheme(self) -> bytes:
        """Scheme of the Request-URI, lower case."""
        return self.data[self.uri_at : self.scheme_end].lower()

    @property
    def method_name(self) -> bytes:
        """Method token of the request line, of a response that of CSeq."""
        if self.is_request:
            return self.data[self.method_at : self.method_end]
        return self.data[self.cseq_method_at : self.cseq_method_end]

    @property
    def reason(self) -> bytes:
        """Reason phrase of a response as sent."""
        return b"" if self.is_request else self.data[self.uri_at : self.uri_end]

    @property
    def branch(self) -> bytes:
        """Branch of the top Via."""
        return self.data[self.branch_at : self.branch_end]

    @property
    def sent_by(self) -> bytes:
        """host[:port] of the top Via, the host in lower case, IPv6 in brackets."""
        host = self.data[self.host_at : self.host_end].lower()
        return b"%b:%d" % (host, self.sent_port) if self.sent_port else host

    @property
    def via_transport(self) -> bytes:
        """Transport of the top Via, upper case."""
        return self.data[self.transport_at : self.transport_end].upper()

    @property
    def via_received(self) -> bytes:
        """Value of the received parameter of the top Via as sent."""
        return self.data[self.received_at : self.received_end]

    @property
    def call_id(self) -> bytes:
        """Call-ID; compared octet by octet (RFC 3261 §20.8)."""
        return self.data[self.call_id_at : self.call_id_end]

    @property
    def from_tag(self) -> bytes:
        """Tag of From; absent in RFC 2543 requests."""
        return self.data[self.from_tag_at : self.from_tag_end]

    @property
    def to_tag(self) -> bytes:
        """Tag of To."""
        return self.data[self.to_tag_at : self.to_tag_end]

    @property
    def body(self) -> bytes:
        """The body: exactly Content-Length octets, without that header the rest."""
        return self.data[self.body_at : self.body_end]

    @property
    def content_type(self) -> bytes:
        """Content-Type value."""
        return self.value(CONTENT_TYPE) or b""

    def _index(self, row: int, field: int) -> int:
        """One 16-bit index of a row: field 2 name, 4 value, 6 line end."""
        p = self.rows
        at = row * 8 + field
        return p[at] | p[at + 1] << 8

    def _find(self, h: int, row: int) -> int:
        """First row of header number `h` at or after `row`, -1 if none."""
        p = self.rows
        while row < self.row_count:
            if p[row * 8] == h:
                return row
            row += 1
        return -1

    def _text(self, row: int) -> bytes:
        """The value of a row, trimmed, each fold replaced by one space (RFC 3261 §7.3.1)."""
        at = self._index(row, 4)
        end = self._index(row, 6)
        p = self.data
        while at < end and (p[at] == 32 or p[at] == 9 or p[at] == 13 or p[at] == 10):
            at += 1
        while end > at and (
            p[end - 1] == 32 or p[end - 1] == 9 or p[end - 1] == 13 or p[end - 1] == 10
        ):
            end -= 1
        text = self.data[at:end]
        if b"\n" in text:
            return b" ".join([part.strip(b" \t") for part in text.split(b"\r\n")])
        return text

    def has(self, h: int) -> bool:
        """Whether header number `h` (not H_OTHER) occurs."""
        return self.seen >> h & 1 == 1

    def value(self, h: int) -> bytes | None:
        """Value of the first line of header number `h`, whole, unfolded, trimmed."""
        row = self._find(h, 0) if self.seen >> h & 1 else -1
        return None if row < 0 else self._text(row)

    def values(self, h: int) -> list[bytes]:
        """Every value of header number `h` in order, list headers split at their commas."""
        found: list[bytes] = []
        row = self._find(h, 0) if self.seen >> h & 1 else -1
        while row >= 0:
            if grammar.LIST[h]:
                found += headers.split_list(self._text(row))
            else:
                found.append(self._text(row))
            row = self._find(h, row + 1)
        return found

    def _name(self, row: int) -> bytes:
        """Name of a row as sent."""
        name = self.data[self._index(row, 2) : self._index(row, 4) - 1]
        return name.rstrip(b" \t")

    def other(self, name: bytes) -> bytes | None:
        """Value of the first line of an unknown header, by its name in any letter case."""
        wanted = name.lower()
        row = self._find(0, 0) if self.seen & 1 else -1
        while row >= 0:
            if self._name(row).lower() == wanted:
                return self._text(row)
            row = self._find(0, row + 1)
        return None

    def others(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """(name as sent, value) of each unknown header whose name starts with `prefix`."""
        found: list[tuple[bytes, bytes]] = []
        wanted = prefix.lower()
        row = self._find(0, 0) if self.seen & 1 else -1
        while row >= 0:
            name = self._name(row)
            if name.lower().startswith(wanted):
                found.append((name, self._text(row)))
            row = self._find(0, row + 1)
        return found

    def lines(self, h: int) -> bytes:
        """The lines of header number `h` as sent, each with its CRLF; b"" if none."""
        found: list[bytes] = []
        row = self._find(h, 0) if self.seen >> h & 1 else -1
        while row >= 0:
            found.append(self.data[self._index(row, 2) : self._index(row, 6) + 2])
            row = self._find(h, row + 1)
        return b"".join(found)

    def to_line(self) -> bytes:
        """Value of To as sent (unfolded), to which a tag may be appended; b"" if absent."""
        return self.value(TO) or b""

    def contact_uri(self) -> bytes:
        """URI of the first Contact; b"" if there is none, or it is `*`."""
        row = self._find(CONTACT, 0) if self.seen >> CONTACT & 1 else -1
        out = [0, 0, 0, 0, 0, 0, 0]
        if row < 0:
            return b""
        if headers.address(self.data, self._index(row, 4), self._index(row, 6), out) < 0:
            return b""
        return self.data[out[0] : out[1]]

    def record_routes(self) -> list[bytes]:
        """Each Record-Route element with its parameters, in message order."""
        return self.values(RECORD_ROUTE)

    def response_head(self, source_host: bytes, source_port: int) -> bytes:
        """Via lines, From, Call-ID, CSeq and Timestamp for a response to this request.

        source_host, source_port: where the request came from; IPv6 without brackets. The top
        Via gets `received` if that host is not its sent-by host, and `received` and `rport`
        if it asked for rport (RFC 3261 §18.2.1, RFC 3581 §4); a `received` that came in is
        overwritten. What is missing in a broken request is missing here; of a header that may
        stand only once the first is taken. Lines next to each other are copied as one slice.
        """
        found: list[bytes] = []
        p = self.rows
        taken = run_at = run_end = 0
        rewrite = self._needs_rewrite(source_host)
        for row in range(self.row_count):
            h = p[row * 8]
            if not REPEATED[h] or (taken >> h & 1 and h != VIA):
                continue
            at = self._index(row, 2)
            top = rewrite and h == VIA and not taken >> VIA & 1
            if at != run_end or top:
                found.append(self.data[run_at:run_end])
                run_at = at
            if top:
                self._top_via(found, at, source_host, source_port)
                run_at = self.via_end
            run_end = self._index(row, 6) + 2
            taken |= ONE << h
        found.append(self.data[run_at:run_end])
        return b"".join(found)

    def _needs_rewrite(self, source_host: bytes) -> bool:
        """Whether the top Via (if it could be read) must be told where it came from."""
        if not self.via_end:
            return False
        if self.via_rport >= 0 or self.received_end:
            return True
        host = self.data[self.host_at : self.host_end].lower()
        return host.strip(b"[]") != source_host

    def _top_via(self, found: list[bytes], at: int, source_host: bytes, source_port: int) -> None:
        """Append the first Via element from `at`, its received and rport set anew."""
        cut_at, cut_end = self.received_from, self.received_end
        next_at, next_end = self.rport_at, self.rport_end
        if next_at < cut_at:
            cut_at, cut_end, next_at, next_end = next_at, next_end, cut_at, cut_end
        if cut_end:
            found.append(self.data[at:cut_at])
            at = cut_end
        if next_end:
            found.append(self.data[at:next_at])
            at = next_end
        found.append(self.data[at : self.via_end].rstrip(b" \t\r\n"))
        found.append(b";received=")
        found.append(source_host)
        if self.via_rport >= 0:
            found.append(b";rport=%d" % source_port)
