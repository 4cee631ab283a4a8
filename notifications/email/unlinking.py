"""Keeps names in e-mails from becoming links: mail programs make one of each text that looks like an address."""

import re
import unicodedata

# U+2060 shows nothing and allows no line break. It belongs to no host name, so whatever looks for one stops there.
WORD_JOINER = "\u2060"

# Each alternative ends where a program reads on in search of an address: the dot before a letter, or between the
# numbers of an IP address; the colon of a scheme; the @ of a mailbox; the slashes of a path on a network.
_ADDRESS_GOES_ON = re.compile(
    r"""
    (?<=\S) [.\u3002\uff0e\uff61] (?= [^\W\d_] )
    | (?<=\d) \. (?= \d+ \. \d ) | (?<= \d\.\d ) \. (?=\d) | (?<= \d\.\d\d ) \. (?=\d) | (?<= \d\.\d\d\d ) \. (?=\d)
    | (?<=[^\W\d_]) : (?=\S)
    | [/\\] (?=[/\\])
    | (?<=\S) @ (?=\S)
    """,
    re.VERBOSE,
)


def without_links(text: str) -> str:
    """The same text to the eye, on one line, in which no mail program finds anything to link."""
    line = "".join(" " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character for character in text)
    return _ADDRESS_GOES_ON.sub(lambda found: f"{found[0]}{WORD_JOINER}", " ".join(line.split()))
