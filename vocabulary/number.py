"""Telephone numbers: digits as dialled → E.164 (ITU-T E.164: at most 15 digits).

The rules of a country (codes and prefixes) are data, filled in when a plan is compiled; this
module only applies them, so it needs no number metadata on the call path.
"""

from msgspec import Struct

DIGITS_MAX = 15
DIGITS_MIN = 3
FIRST = "+0123456789"
SEPARATORS = str.maketrans("", "", "-.() \t")


class DialRule(Struct, frozen=True, gc=False):
    """How a country dials: country_code "1", national_prefix "1", international_prefix "011".

    national_length: digits of a full national number (10 in the NANP), 0 where it varies.
    strip, add: what a trunk removes and puts in front before anything else is read.
    """

    country_code: str = "1"
    national_prefix: str = "1"
    international_prefix: str = "011"
    national_length: int = 10
    strip: str = ""
    add: str = ""


def normalise(dialled: str, rule: DialRule) -> str:
    """E.164 with '+' of a dialled or displayed number, or "" if it is not one.

    dialled: user part of a SIP URI or a tel number, parameters after ';' ignored.
    """
    text = dialled
    if not (text[1:].isdigit() and text[0] in FIRST):  # most are digits behind a "+" already
        text = text.split(";", 1)[0].translate(SEPARATORS)
    if rule.strip and text.startswith(rule.strip):
        text = text[len(rule.strip) :]
    text = rule.add + text
    if text.startswith("+"):
        digits = text[1:]
    elif rule.international_prefix and text.startswith(rule.international_prefix):
        digits = text[len(rule.international_prefix) :]
    else:
        digits = _national(text, rule)
    if not (digits.isascii() and digits.isdigit() and DIGITS_MIN <= len(digits) <= DIGITS_MAX):
        return ""
    return "+" + digits


def _national(text: str, rule: DialRule) -> str:
    """Digits with country code of a national number; a full number without '+' is kept."""
    length = rule.national_length
    code = rule.country_code
    if length and len(text) == length + len(code) and text.startswith(code):
        return text
    if not length and code and text.startswith(code) and len(text) > 10:
        return text
    prefix = rule.national_prefix
    if prefix and text.startswith(prefix) and (not length or len(text) == length + len(prefix)):
        text = text[len(prefix) :]
    return code + text


def format_outward(e164: str, form: str, prefix: str = "") -> str:
    """A number as a gateway wants it: "e164" (+1…), "digits" (1…) or "prefix" (prefix + 1…)."""
    assert e164.startswith("+")
    if form == "e164":
        return e164
    return (prefix if form == "prefix" else "") + e164[1:]
