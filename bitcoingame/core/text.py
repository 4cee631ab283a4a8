"""What people type: names and mottos, one line each."""

import unicodedata

# Format characters that emoji and some scripts are written with; every other one only hides or reorders text.
_JOINERS = {"\u200c", "\u200d"}
# Letters and symbols that have no ink.
_INKLESS = {"\u115f", "\u1160", "\u3164", "\uffa0", "\u2800"}


class BadText(ValueError):
    """Carries the sentence to show."""


def clean_line(text: str, *, minimum: int, maximum: int) -> str:
    """One line in NFC, trimmed, inner runs of white space single; lengths in characters.

    Raises BadText for control, invisible and direction-changing characters, and for what is too short, too long
    or shows nothing.
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
    if is_new_emoji(character):
        return False
    category = unicodedata.category(character)
    if category == "Cf":
        # Tags (U+E0020 to U+E007F) spell the flags of regions.
        return character not in _JOINERS and not "\U000e0020" <= character <= "\U000e007f"
    return category in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")


def is_visible(character: str) -> bool:
    return is_new_emoji(character) or (unicodedata.category(character)[0] in "LNPS" and character not in _INKLESS)


def is_new_emoji(character: str) -> bool:
    """Phones know each year's emoji sooner than Python, which takes them for unassigned characters."""
    return "\U0001f000" <= character <= "\U0001faff" and unicodedata.category(character) == "Cn"
