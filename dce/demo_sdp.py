"""Session descriptions of the demo's phones (RFC 4566, RFC 3264). They signal and send no audio.

RTP flows directly between caller and buyer until the exchange anchors media, so a phone that has
no audio says so: its stream is inactive, and a softphone that calls it hears silence.
"""

from vocabulary import limits

PLAIN_FORMATS = (b"0", b"8")  # PCMU, PCMA: static payload types (RFC 3551 §6), no rtpmap needed
MEDIA_PORT = 9  # discard: nothing is sent there, the stream is inactive
CONTENT_TYPE = b"application/sdp"


def make_offer(host: str, name: bytes) -> bytes:
    """An offer of one audio stream, PCMU or PCMA. name: of the phone, in the origin line."""
    return _session(host, name, [b"m=audio %d RTP/AVP 0 8" % MEDIA_PORT, b"a=inactive"])


def answer_offer(offer: bytes, host: str, name: bytes) -> bytes:
    """The answer to an offer: one line for each of its streams, the first fit one accepted.

    b"" if no stream is audio in a format that we speak. An empty offer is answered by an offer.
    """
    if not offer.strip():
        return make_offer(host, name)
    media: list[bytes] = []
    taken = False
    for line in offer.splitlines()[:limits.demo_sdp_lines_max]:
        if not line.startswith(b"m="):
            continue
        chosen = b"" if taken else _format_of(line)
        if chosen:
            taken = True
            media += [b"m=audio %d RTP/AVP %b" % (MEDIA_PORT, chosen), b"a=inactive"]
        else:
            media.append(_refused(line))
    return _session(host, name, media) if taken else b""


def _format_of(line: bytes) -> bytes:
    """The format that we take of an m= line; b"" if none."""
    fields = line[2:].split()
    if len(fields) < 4 or fields[0] != b"audio" or fields[2] != b"RTP/AVP" or fields[1] == b"0":
        return b""
    return next((form for form in fields[3:] if form in PLAIN_FORMATS), b"")


def _refused(line: bytes) -> bytes:
    """The same stream with port 0 (RFC 3264 §6)."""
    fields = line[2:].split()
    fields[1:2] = [b"0"]
    return b"m=" + b" ".join(fields)


def _session(host: str, name: bytes, media: list[bytes]) -> bytes:
    kind = b"IP6" if ":" in host else b"IP4"
    head = [
        b"v=0", b"o=%b 1 1 IN %b %b" % (name, kind, host.encode()), b"s=-",
        b"c=IN %b %b" % (kind, host.encode()), b"t=0 0",
    ]
    return b"\r\n".join([*head, *media, b""])
