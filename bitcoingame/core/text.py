"""What people type: names and mottos, one line each."""

import unicodedata

# Emoji and some scripts need these format characters; all others only hide or reorder text.
_JOINERS = {"\u200c", "\u200d"}
# Letters and symbols that show nothing.
_INKLESS = {"\u115f", "\u1160", "\u3164", "\uffa0", "\u2800"}


class BadText(ValueError):
    """The text cannot be taken; str(error) is the sentence to show."""


def clean_line(text: str, *, minimum: int, maximum: int) -> str:
    """Returns the text in NFC, trimmed, with one space for each run of white space. Lengths are in characters.

    Raises BadText for control, invisible and direction-changing characters, and for text that is too short, is too
    long or shows nothing.
    """
    text = unicodedata.normalize("NFC", text).strip()
    if any(is_forbidden(character) for character in text):
        raise BadText("This may not contain control or invisible characters.")
    text = " ".join(text.split())
    if len(text) < minimum or not any(is_visible(character) for character in text):
        raise BadText("This may not be blank." if minimum <= 1 else f"This must have at least {minimum} characters.")
    if len(text) > maximum:
        raise BadText(f"This may have at most {maximum} characters.")
    return text


def is_forbidden(character: str) -> bool:
    """Whether the character controls, hides or reorders text, or is unassigned."""
    if is_new_emoji(character):
        return False
    category = unicodedata.category(character)
    if category == "Cf":
        # Tags (U+E0020 to U+E007F) spell the flags of regions.
        return character not in _JOINERS and not "\U000e0020" <= character <= "\U000e007f"
    return category in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")


def is_visible(character: str) -> bool:
    """Whether the character shows something by itself."""
    return is_new_emoji(character) or (unicodedata.category(character)[0] in "LNPS" and character not in _INKLESS)


def is_new_emoji(character: str) -> bool:
    """Whether this is an emoji that Python takes for an unassigned character: phones have each year's emoji sooner."""
    return "\U0001f000" <= character <= "\U0001faff" and unicodedata.category(character) == "Cn"
