"""An invite code is right however it was copied, and costs a guess only if it is wrong."""

from urllib.parse import quote

import pytest

from bitcoingame.models import AttemptCounter
from conftest import client_of, make_cooperative, make_user
from social.invite_codes import NO_CODE, normalize_invite_code
from social.models import Cooperative, CooperativeMember
from social.searching import find_cooperatives
from social.tests.test_cooperatives_api import URL, refusal

pytestmark = pytest.mark.django_db

CODE = "ABCD1234"
COPIES = [
    CODE, "abcd1234", "  ABCD1234 ", "ABCD-1234", "ABCD 1234", "A B C D 1 2 3 4", "ABCD\n1234", "ABCD\u00a01234",
    "ABCD\u20111234", "ABCD\u20131234", "ABCD\u20141234", "ABCD\u22121234", "ABCD_1234", '"ABCD1234"', "'ABCD1234'",
    "\u201cABCD1234\u201d", "\u2018ABCD1234\u2019", "«ABCD1234»", "„ABCD1234“", "`ABCD1234`", "(ABCD1234)", "ABCD1234.",
    "<ABCD1234>", "ABCD\u200b1234", "\ufeffABCD1234", "ABCD\u00ad1234", "\u202aABCD1234\u202c", "\u2066ABCD1234\u2069",
    "ABCD\u200d1234", "ABCD\u20601234", "ABCD1234\ufe0f", "\u3164ABCD1234", "ＡＢＣＤ１２３４", "ａｂｃｄ１２３４",
    "Code: ABCD1234", "Invite code:\nabcd-1234", "🎉ABCD1234🎉",
    "https://thebitcoingame.com/coop/join/ABCD1234", "https://thebitcoingame.com/coop/join/ABCD1234/",
    "http://localhost:3000/coop/join/abcd1234", "thebitcoingame.com/coop/join/ABCD1234", "/coop/join/ABCD1234",
    "https://thebitcoingame.com/coop/join/ABCD-1234", "https://thebitcoingame.com/coop/join/ABCD%201234",
    "https://thebitcoingame.com/coop/join/ABCD1234?utm_source=telegram", "https://x.org/coop/join/ABCD1234#members",
    "https://thebitcoingame.com/coop/join?code=ABCD1234", "https://x.org/?ref=bobsmith&invite=ABCD1234",
    "https://x.org/?invite=abcd1234&ref=bobsmith", "https://x.org/coop?invite_code=ABCD1234#settings",
    "https://x.org/#/coop/join/ABCD1234", "https://x.org/coop/invite/ABCD1234", "https://x.org/c/ABCD1234",
    "Join us: https://thebitcoingame.com/coop/join/ABCD1234 tonight!", "<https://thebitcoingame.com/coop/join/ABCD1234>",
    "[Pirates](https://thebitcoingame.com/coop/join/ABCD1234)", "https%3A%2F%2Fx.org%2Fcoop%2Fjoin%2FABCD1234",
    "https://x.org/coop/join#ABCD1234", "https://x.org/coop/join?ABCD1234", "https://x.org/coop?join=ABCD1234",
    "https://x.org/coop/join/ABCD1234&fbclid=settings", "code=ABCD1234", "join?code=ABCD1234&ref=bobsmith",
    "https://l.example.com/l.php?u=https%3A%2F%2Fx.org%2Fcoop%2Fjoin%2FABCD1234&h=AT0bobsm",
    "https://www.example.com/url?q=https://x.org/coop/join/ABCD1234&sa=bobsmith",
]  # fmt: skip
NO_COPIES = [
    "", " ", "-", "ABCD123", "ABCD12345", "ÄBCD1234", "ABCDı234", "ßBCD123", "АВСD1234", "ABCD١٢٣٤",
    "https://x.org/coop/join/", "https://x.org/?code=", "https://", "A" * 5000, "/" * 5000, "?code=" * 1000,
    "https://x.org/coop/join?a=BCD1234", "ABCD1234ABCD1234", "' OR 1=1 --",
]  # fmt: skip


@pytest.fixture(autouse=True)
def production_limits(settings):
    settings.INVITE_GUESSES_PER_ACCOUNT = 10
    settings.INVITE_GUESSES_PER_ADDRESS = 100


@pytest.fixture
def pirates(alice):
    cooperative = make_cooperative(alice, name="Pirates")
    Cooperative.objects.update(invite_code=CODE)
    return cooperative


def guesses():
    return {counter.key.partition(":")[0]: counter.count for counter in AttemptCounter.objects.all()}


@pytest.mark.parametrize("copy", COPIES)
def test_a_right_code_is_right_however_it_was_copied(pirates, bob, copy):
    client = client_of(bob)

    preview = client.get(f"{URL}/invite/{quote(copy, safe='')}")
    joined = client.post(f"{URL}/join", {"invite_code": copy}, format="json")

    assert (preview.status_code, preview.json()["name"]) == (200, "Pirates"), preview.content
    assert (joined.status_code, joined.json()["invite_code"]) == (200, CODE), joined.content
    assert set(guesses().values()) == {0}
    assert list(find_cooperatives(Cooperative.objects.all(), copy)) == [pirates]


@pytest.mark.parametrize("text", NO_COPIES)
def test_what_holds_no_code_costs_a_guess_and_joins_nothing(pirates, bob, text):
    assert normalize_invite_code(text) == NO_CODE

    answer = client_of(bob).post(f"{URL}/join", {"invite_code": text}, format="json")

    assert "Invalid invite code" in refusal(answer, 400, "invalid_invite_code")
    assert guesses() == {"invite-account": 1, "invite-address": 1}
    assert CooperativeMember.objects.count() == 1


@pytest.mark.parametrize("is_member", [False, True])
def test_wrong_dead_and_malformed_codes_cost_the_same(alice, bob, is_member):
    """A member's guesses too: otherwise what it costs would tell a member which codes exist."""
    gone = make_cooperative(make_user(), name="Ghosts")
    client_of(gone.owner).post(f"{URL}/leave")
    if is_member:
        make_cooperative(bob)
    client = client_of(bob)

    for number, (code, token) in enumerate(
        [("ZZZZ9999", "invalid_invite_code"), ("x", "invalid_invite_code"), (gone.invite_code, "cooperative_inactive")]
    ):
        refusal(client.post(f"{URL}/join", {"invite_code": code}, format="json"), 400, token)
        assert guesses() == {"invite-account": 2 * number + 1, "invite-address": 2 * number + 1}
        refusal(client.get(f"{URL}/invite/{code}"), 400, token)
        assert guesses() == {"invite-account": 2 * number + 2, "invite-address": 2 * number + 2}


def test_a_dissolved_cooperatives_code_says_so(alice, bob):
    cooperative = make_cooperative(alice)
    client_of(alice).post(f"{URL}/leave")

    for answer in (
        client_of(bob).post(f"{URL}/join", {"invite_code": cooperative.invite_code.lower()}, format="json"),
        client_of(bob).get(f"{URL}/invite/{cooperative.invite_code}"),
    ):
        assert "no longer active" in refusal(answer, 400, "cooperative_inactive")
    assert not CooperativeMember.objects.exists()
