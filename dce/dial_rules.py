"""How the countries of a plan's trunks dial, from the metadata of phonenumbers (ITU-T E.164)."""

from collections.abc import Iterable

from phonenumbers.phonemetadata import PhoneMetadata

from vocabulary.number import DialRule

NANP_CODE = 1
NANP_DIGITS = 10


def dial_rules(countries: Iterable[str]) -> dict[str, DialRule]:
    """Rule by ISO 3166-1 country. A country that dials in no known way is left out."""
    found = {}
    for country in countries:
        metadata = PhoneMetadata.metadata_for_region(country, None)
        if metadata is not None:
            found[country] = _rule(metadata)
    return found


def _rule(metadata: PhoneMetadata) -> DialRule:
    return DialRule(
        country_code=str(metadata.country_code),
        national_prefix=_digits(metadata.national_prefix),
        international_prefix=_digits(metadata.preferred_international_prefix)
        or _digits(metadata.international_prefix),
        national_length=_national_length(metadata),
    )


def _digits(written: str | None) -> str:
    """A prefix that is plain digits; some are patterns of several carriers', which are none."""
    return written if written is not None and written.isascii() and written.isdigit() else ""


def _national_length(metadata: PhoneMetadata) -> int:
    """Digits of a full national number, 0 where they vary; seven local digits are not dialled."""
    if metadata.country_code == NANP_CODE:
        return NANP_DIGITS
    lengths = metadata.general_desc.possible_length if metadata.general_desc else ()
    return int(lengths[0]) if len(lengths) == 1 else 0
