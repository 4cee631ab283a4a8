"""Names and mottos as people may type them: what is refused, what is kept, and what counts as a character."""

import unicodedata

import pytest
import regex

from bitcoingame.core.claims import claims_address, claims_authority
from bitcoingame.core.text import BadText, clean_line, clean_name, clean_typed, count_seen

# Every character that Unicode says shows nothing by itself, in one of the planes that are in use.
IGNORABLE = regex.findall(
    r"\p{Default_Ignorable_Code_Point}",
    "".join(map(chr, (*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE1000)))),
)
# Written out, so that a class which shrinks with the library is noticed.
NAMED = [
    0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0x200B, 0x2010),
    *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0,
    *range(0xFFF0, 0xFFF9), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000),
]  # fmt: skip


def test_the_class_is_whole():
    assert sorted(map(ord, IGNORABLE)) == sorted(NAMED)


@pytest.mark.parametrize("place", ["{}Pirates", "Pir{}ates", "Pirates{}", "Hash {} Pirates", "海{}賊", "é{}é", "7{}7"])
def test_no_ignorable_character_stands_where_it_does_nothing(place):
    taken = [f"U+{ord(character):04X}" for character in IGNORABLE if is_taken(place.format(character))]

    assert taken == []


@pytest.mark.parametrize("character", ["\u2800", "\ufffc", "\U0001d159", "\ufff9", "\ue000", "\x85", "\u2028"])
def test_nothing_else_that_shows_nothing_is_taken(character):
    assert not is_taken(f"Hash{character}Pirates")


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d🚀 Crew",
        "👩🏽\u200d🚀 Crew",
        "👨\u200d👩\u200d👧\u200d👦 Family",
        "🏃\u200d♀\ufe0f Runners",
        "🏳\ufe0f\u200d🌈 Miners",
        "❤\ufe0f\u200d🔥 Miners",
        "⚡\ufe0f Lightning",
        "☀\ufe0f Sun",
        "☀\ufe0e Sun",
        "1\ufe0f\u20e3 First",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f Scots",
        "🇩🇪 Miners",
        "می\u200cخواهم",
        "خانه\u200cها",
        "ه\u200d ق",
        "क्\u200dष",
        "क्\u200cष",
        "ക്\u200d ന",
        "ක්\u200dෂ",
        "র\u200d্যাম",
        "ᠠ\u180bᠨ",
        "ᠬᠠᠨ\u180eᠠ",
    ],
)
def test_they_are_taken_where_they_act(text):
    assert clean_typed(text, minimum=1, maximum=64) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    "text",
    [
        "😀\u200d😀 Crew",
        "👩\u200d\u200d🚀 Crew",
        "👩\u200d Crew",
        "\u200d🚀 Crew",
        "😀\ufe0f Crew",
        "☀\ufe0f\ufe0f Sun",
        "1\ufe0f First",
        "🏴\U000e0067\U000e0062 Scots",
        "🏴\U000e0078\U000e0079\U000e007f Nowhere",
        "😀\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "دا\u200cر",
        "می\u200c\u200cخواهم",
        "می\u200dخواهم",
        "می\u200c",
        "क\u200dष",
        "क\u200cष",
        "家\U000e0100",
        "∩\ufe00",
        "P\u180birates",
    ],
)
def test_they_are_refused_where_their_neighbours_do_not_ask_for_them(text):
    with pytest.raises(BadText, match="invisible"):
        clean_typed(text, minimum=1, maximum=64)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("bit\u200daxe", "bitaxe"),
        ("bitaxe\ufe0f", "bitaxe"),
        ("\u3164bitaxe\u2800", "bitaxe"),
        ("👩\u200d🚀 rig", "👩\u200d🚀 rig"),
        ("⚡\ufe0f rig\ufe0f", "⚡\ufe0f rig"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("e\u034f\u0301", "é"),
    ],
)
def test_what_machines_are_called_is_cleaned_and_not_refused(text, cleaned):
    assert clean_line(text, minimum=1, maximum=64) == cleaned


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("ab", 2), ("a b", 2), ("é", 1), ("e\u0301\u0302", 1), ("👩\u200d🚀", 1), ("🇩🇪", 1), ("🇩🇪🇫🇷", 2),
        ("1\ufe0f\u20e3", 1), ("می\u200cخواهم", 7), ("\U0001fae8\U0001fa77", 2), ("海賊", 2), ("", 0), ("\u0301", 0),
    ],
)  # fmt: skip
def test_the_minimum_counts_what_is_seen(text, seen):
    assert count_seen(text) == seen
    if seen >= 2:
        assert clean_line(text, minimum=2, maximum=64) == text
    else:
        with pytest.raises(BadText):
            clean_line(text, minimum=2, maximum=64)


CLAIMS = [
    "The Bitcoin Game", "the bitcoin game", "THE-BITCOIN-GAME", "TheBitcoinGame", "thebitcoingame.com", "Bitcoin Game",
    "Bitcoin_Game Support", "The Bitcoin Game!", "Admin", "ADMIN", "a.d.m.i.n", "Ａｄｍｉｎ", "Ádmin", "[Admin]",
    "1admin1", "AdminAlice", "Admin's Angels",
    "★ Admin ★", "admin7", "Alice (admin)", "Administrator", "Staff", "Pool Staff", "Official Pirates", "Moderator",
    "moderator_bob", "Support", "Support Team", "Bitcoin Support", "Help Desk", "Mod", "System", "Customer Service",
    "𝐀𝐝𝐦𝐢𝐧", "Ⓢⓣⓐⓕⓕ", "St\u00e2ff",
    # Letters that look like Latin ones, and digits and signs for letters
    "\u0430dmin", "\u0410DMIN", "\u0391DMIN", "A\u0501m\u0456n", "\u0391D\u039c\u0399\u039d",
    "\u1d00\u1d05\u1d0d\u026a\u0274",
    "St\u0430ff", "\u0405upport", "\u0422h\u0435 \u0412it\u0441oin G\u0430m\u0435", "Adm1n", "Adm!n", "@dmin", "$taff",
    "Moderat0r", "B1tc0in Game", "5upport", "M0d", "0fficial Pirates",
]  # fmt: skip
NO_CLAIMS = [
    "Alice", "Hash Pirates", "Badminton", "Bitcoin Gamers", "Supporters", "Life Support", "Modern Times", "Bad Mind",
    "Staffordshire", "Root Beer", "Team Rocket", "Satoshi", "Solar System Miners", "Security First", "Bitcoin",
    "The Game", "海賊", "7", "Minerva", "Hashers", "Commodore", "Devon",
    "Москва", "Мод", "Αθήνα", "Μαρία", "Рос", "R2D2", "H4ck3r", "1337", "Team 7", "Mining 4 Fun", "Bob @ Home", "!!!1",
]  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_nobody_is_called_like_the_platform_or_its_staff(name):
    assert claims_authority(name)
    with pytest.raises(BadText, match="kept for the platform"):
        clean_name(name, minimum=1, maximum=64)


@pytest.mark.parametrize("name", NO_CLAIMS)
def test_ordinary_names_claim_nothing(name):
    assert clean_name(name, minimum=1, maximum=64) == name


OWN = "bc1qxyzabcdefghij"


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("Miner-bc1qaaaa", True), ("miner-BC1QAAAA", True), ("Miner bc1qaaaa", True), ("Miner\u2010bc1qaaaa", True),
        ("MINER_bc1qaaaa", True), ("Ｍｉｎｅｒ-bc1qaaaa", True), ("Miner-bc1qaaaa…", True), ("Miner-1BoatSLR", True),
        ("Miner-3J98t1Wp", True), ("bc1qaaaabbbbcccc", True), ("Miner-bc1qxyza", False), ("miner bc1qXYZA", False),
        ("M\u0456ner-bc1qaaaa", True), ("Miner-b\u04411qaaaa", True),
        (OWN, False), ("Miner 1", False), ("Miner-bc1", False), ("Miner 2026", False), ("Alice", False), ("", False),
    ],
)  # fmt: skip
def test_nobody_takes_the_name_of_a_miner_without_one(name, claims):
    assert claims_address(name, own_address=OWN) is claims


def is_taken(text):
    try:
        clean_typed(text, minimum=1, maximum=64)
    except BadText:
        return False
    return True
