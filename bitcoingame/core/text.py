"""One line of text: what people type (names, mottos), and what other programs call things."""

import unicodedata

import emoji
import regex

from bitcoingame.core.claims import claims_authority

# Emoji and some scripts need these format characters; all others only hide or reorder text.
_JOINERS = {"\u200c", "\u200d"}
# Letters and symbols that show nothing.
_INKLESS = {"\u115f", "\u1160", "\u2800", "\u3164", "\uffa0", "\ufffc", "\U0001d159"}

# The patterns take the classes of characters from the Unicode data that come with `regex`: Python's own data know
# neither which characters are ignorable nor which letters join.
_IGNORABLE = regex.compile(r"\p{Default_Ignorable_Code_Point}")
_CLUSTER = regex.compile(r"\X")
_TRANSPARENT = r"[\p{Joining_Type=T}--\p{Default_Ignorable_Code_Point}]*"
_JOINED_ON = rf"[\p{{Joining_Type=L}}\p{{Joining_Type=D}}]{_TRANSPARENT}"
_JOINED_BACK = rf"{_TRANSPARENT}[\p{{Joining_Type=R}}\p{{Joining_Type=D}}]"
_VIRAMA = r"\p{Indic_Syllabic_Category=Virama}"
_ACTING = regex.compile(
    rf"""
      (?<={_JOINED_ON}) \u200c (?={_JOINED_BACK})      # parts two letters that would join
    | (?<={_JOINED_ON}) \u200d (?!{_JOINED_BACK})      # shapes a letter as if another followed
    | (?<!{_JOINED_ON}) (?<!\u200d) \u200d (?={_JOINED_BACK})  # or as if another went before
    | (?<={_VIRAMA}) [\u200c\u200d] (?=\p{{L}})        # chooses how an Indic conjunct is drawn
    | (?<={_VIRAMA}) \u200d (?!\S)                     # shows the half form of a last consonant
    | (?<=\p{{L}}) \u200d (?={_VIRAMA}\p{{L}})
    | (?<=[\p{{Script=Mongolian}}&&\p{{L}}]) [\u180b-\u180d\u180f]
    | (?<=[\p{{Script=Mongolian}}&&\p{{L}}]) \u180e (?=[\u1820\u1821](?!\p{{L}}))
    """,
    regex.VERBOSE | regex.VERSION1,
)
_SELECTORS = {"\ufe0e", "\ufe0f"}

_INVISIBLE = "This may not contain control or invisible characters."


class BadText(ValueError):
    """The text cannot be taken; str(error) is the sentence to show."""


def clean_name(text: str, *, minimum: int, maximum: int) -> str:
    """Returns the text as clean_typed does. It is what a user or a cooperative will be called.

    Raises BadText as clean_typed does, and for names that claim to be the platform or its staff.
    """
    text = clean_typed(text, minimum=minimum, maximum=maximum)
    if claims_authority(text):
        raise BadText("This name is kept for the platform and its staff.")
    return text


def clean_typed(text: str, *, minimum: int, maximum: int) -> str:
    """Returns what a person typed as clean_line does. Raises BadText for invisible characters that do nothing too.

    Leaving them out would do for what is stored, and people would not learn that their text is not what they think.
    """
    text = unicodedata.normalize("NFC", text)
    if drop_idle(text) != text:
        raise BadText(_INVISIBLE)
    return clean_line(text, minimum=minimum, maximum=maximum)


def clean_line(text: str, *, minimum: int, maximum: int) -> str:
    """Returns the text in NFC, trimmed, with one space for each run of white space, without what drop_idle leaves out.

    `maximum` counts characters. `minimum` counts what is seen: a letter with its marks or an emoji with its parts is
    one, and spaces are none. Raises BadText for control, invisible and direction-changing characters, and for text
    that is too short, is too long or shows nothing.
    """
    text = unicodedata.normalize("NFC", text).strip()
    if any(is_forbidden(character) for character in text):
        raise BadText(_INVISIBLE)
    text = " ".join(unicodedata.normalize("NFC", drop_idle(text)).split())
    if count_seen(text) < max(minimum, 1):
        raise BadText("This may not be blank." if minimum <= 1 else f"This must have at least {minimum} characters.")
    if len(text) > maximum:
        raise BadText(f"This may have at most {maximum} characters.")
    return text


def is_forbidden(character: str) -> bool:
    """Whether the character controls, hides or reorders text wherever it stands, or is unassigned."""
    if is_new_emoji(character):
        return False
    category = unicodedata.category(character)
    if category == "Cf":
        # Tags (U+E0020 to U+E007F) spell the flags of regions.
        return character not in _JOINERS and character != "\u180e" and not "\U000e0020" <= character <= "\U000e007f"
    return category in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")


def drop_idle(text: str) -> str:
    """The text without invisible characters where they do nothing but make a text that looks like another one.

    Joiners, variation selectors and tags act within emoji, and joiners within scripts whose letters join.
    """
    if text.isascii() or (_INKLESS.isdisjoint(text) and not _IGNORABLE.search(text)):
        return text
    acting = {found.start() for found in _ACTING.finditer(text)}
    return "".join(_without_idle(found[0], found.start(), acting) for found in _CLUSTER.finditer(text))


def _without_idle(cluster: str, start: int, acting: set[int]) -> str:
    """The cluster, which begins at `start`, without the idle characters. `acting` are the places of others."""
    if is_emoji(cluster):
        return cluster
    return "".join(
        character
        for place, character in enumerate(cluster, start)
        if place in acting or not (character in _INKLESS or _IGNORABLE.match(character))
    )


def is_emoji(cluster: str) -> bool:
    """Whether this is one emoji with all its parts, or one symbol and the selector that draws it as emoji or text."""
    if emoji.is_emoji(cluster):
        return True
    return cluster[1:] in _SELECTORS and bool(emoji.EMOJI_DATA.get(cluster[0], {}).get("variant"))


def count_seen(text: str) -> int:
    """How many characters a reader sees: letters with their marks, emoji with their parts. Spaces do not count."""
    return sum(any(map(is_visible, cluster)) for cluster in _CLUSTER.findall(text))


def is_visible(character: str) -> bool:
    """Whether the character shows something by itself."""
    return is_new_emoji(character) or (unicodedata.category(character)[0] in "LNPS" and character not in _INKLESS)


def is_new_emoji(character: str) -> bool:
    """Whether this is an emoji that Python takes for an unassigned character: phones have each year's emoji sooner."""
    return "\U0001f000" <= character <= "\U0001faff" and unicodedata.category(character) == "Cn"
