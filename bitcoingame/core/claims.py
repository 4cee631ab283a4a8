"""Names by which somebody would seem to be the platform, its staff, or a miner who has chosen no name.

Case, accents, full-width and styled letters, letters that look like Latin ones, and what stands between letters do not
count: "A.d-m i n" claims what "Admin" does. So does "Adm1n", with digits and signs for letters.
"""

import re
import unicodedata
from collections.abc import Iterator

PLATFORM = {"bitcoingame", "thebitcoingame"}
STAFF = {
    "admin", "admins", "administrator", "administrators", "administration", "sysadmin", "superadmin", "superuser",
    "moderator", "moderators", "moderation", "staff", "staffs", "staffer", "official", "officials", "webmaster",
    "helpdesk", "customerservice", "customersupport", "techsupport", "supportteam", "modteam",
}  # fmt: skip
"""Nobody who is called by one of these words, among others, can be taken for anything but staff."""

ROLES = {
    "support", "mod", "mods", "system", "systems", "root", "security", "help", "service", "services", "operator",
    "operators", "operations", "developer", "developers", "dev", "devs", "notification", "notifications", "noreply",
    "postmaster", "platform",
}  # fmt: skip
"""Words that others may use too, as in "Life Support". They claim something if nothing else is said beside them."""

FILLERS = {
    "the", "a", "of", "for", "and", "by", "at", "from", "your", "our", "my", "real", "true", "team", "crew", "group",
    "desk", "center", "centre", "account", "customer", "technical", "tech", "user", "game", "bitcoin", "btc", "pool",
    "site", "website", "com", "chief", "head", "lead", "senior", "global", "community",
}  # fmt: skip

# Small capitals, and the Cyrillic, Greek and Armenian letters that look like Latin ones as capitals or in lower case.
_LOOK_ALIKES = str.maketrans(
    "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢɑɡı" + "авеӏкмнортсухіјѕԁһԛԝ" + "αβεζηικμνορτυχϲ" + "օոսհ",  # noqa: RUF001
    "abcdefghijklmnoprstuvwyzagi" + "abelkmhoptcyxijsdhqw" + "abezhikmnoptyxc" + "onuh",
)
_SIGNS_FOR_LETTERS = str.maketrans("013457@$!|", "oieastasil")

_HUMP = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
_WORDS = re.compile(r"[^\W_]+")
_DIGITS = "0123456789"
_LONGEST = max(map(len, PLATFORM | STAFF))
_FALLBACK = re.compile(r"(?:miner)*(?:(?:bc1[0-9a-z]{5,})|(?<=miner)[13][0-9a-z]{7})")


def claims_authority(name: str) -> bool:
    """Whether the name claims to be the platform or its staff."""
    return any(map(_claim_authority, (_words_in(name), _words_in(name.translate(_SIGNS_FOR_LETTERS)))))


def _claim_authority(words: list[str]) -> bool:
    return any(run in PLATFORM or run in STAFF for run in _runs(words)) or _is_only_a_role(words)


def claims_address(name: str, *, own_address: str | None = None) -> bool:
    """Whether the name is one by which pages call a miner without a name (`Miner-bc1q…`), or begins as an address.

    The user's own is no claim.
    """
    squeezed = "".join(_words_in(name))
    if not _FALLBACK.fullmatch(squeezed):
        return False
    return not own_address or squeezed not in {f"miner{own_address[:8]}".lower(), own_address.lower()}


def _words_in(name: str) -> list[str]:
    letters = unicodedata.normalize("NFKD", _HUMP.sub(" ", name))
    bare = "".join(letter for letter in letters if unicodedata.category(letter) not in ("Mn", "Me", "Cf"))
    return _WORDS.findall(unicodedata.normalize("NFKC", bare.casefold()).translate(_LOOK_ALIKES))


def _runs(words: list[str]) -> Iterator[str]:
    """All words, and what neighbouring words are when written as one."""
    for start in range(len(words)):
        run = ""
        for word in words[start:]:
            run += word
            if len(run.strip(_DIGITS)) > _LONGEST:
                break
            yield run.strip(_DIGITS)


def _is_only_a_role(words: list[str]) -> bool:
    named = {word.strip(_DIGITS) for word in words}
    squeezed = "".join(words).strip(_DIGITS)
    return squeezed in ROLES or (bool(named & ROLES) and named <= ROLES | FILLERS | {""})
