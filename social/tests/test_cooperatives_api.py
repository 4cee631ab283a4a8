"""Founding, joining, leaving and administering a cooperative, through the API."""

import re

import pytest

from conftest import client_of, make_cooperative, make_user
from social.models import Cooperative, CooperativeMember, UserActivity

pytestmark = pytest.mark.django_db

URL = "/api/v1/cooperatives"


def seats():
    return list(CooperativeMember.objects.order_by("id").values_list("cooperative_id", "user_id", "role"))


def refusal(response, status, code):
    """Checks the status, the code and the shape of a refusal, and returns its sentence."""
    assert (response.status_code, response.json()["code"]) == (status, code), response.content
    assert set(response.json()) <= {"detail", "code", "errors"}
    assert response.headers["Content-Type"] == "application/json"
    return response.json()["detail"]


class TestFounding:
    def test_founder_becomes_admin_and_sees_the_invite_code(self, alice):
        response = client_of(alice).post(URL, {"name": "Hash Pirates", "motto": "Arr"}, format="json")

        assert response.status_code == 201
        body = response.json()
        assert re.fullmatch("[A-Z0-9]{8}", body.pop("invite_code"))
        cooperative = Cooperative.objects.get()
        assert body == {
            "id": str(cooperative.pk),
            "name": "Hash Pirates",
            "motto": "Arr",
            "member_count": 1,
            "combined_hashrate": 0.0,
            "weekly_streak": 0,
            "best_combined_diff": 0.0,
            "blocks_found": 0,
            "total_shares_week": 0,
            "weekly_rank": 0,
            "is_active": True,
            "members": [
                {
                    "user_id": str(alice.pk),
                    "display_name": "Alice",
                    "hashrate": 0.0,
                    "shares_today": 0,
                    "is_online": False,
                    "role": "admin",
                }
            ],
        }
        assert cooperative.owner_id == alice.pk
        assert seats() == [(cooperative.pk, alice.pk, "admin")]

    def test_founding_is_in_the_feed(self, alice):
        client = client_of(alice)
        cooperative_id = client.post(URL, {"name": "Hash Pirates"}, format="json").json()["id"]

        body = client.get("/api/v1/activity/feed").json()

        activity = body["activities"][0]
        assert (body["total"], body["page"], body["per_page"]) == (1, 1, 20)
        assert (activity["type"], activity["title"]) == ("coop_created", "Created cooperative: Hash Pirates")
        assert activity["metadata"] == {"name": "Hash Pirates", "cooperative_id": cooperative_id}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", activity["timestamp"])

    @pytest.mark.parametrize(
        ("name", "stored"),
        [
            ("  Hash   Pirates ", "Hash Pirates"),
            ("Cafe\u0301", "Caf\u00e9"),
            ("👩\u200d🚀 Crew", "👩\u200d🚀 Crew"),
            ("\U0001fa77 Crew", "\U0001fa77 Crew"),
            ("\U0001fae8\U0001fa77", "\U0001fae8\U0001fa77"),
            ("x" * 64, "x" * 64),
        ],
    )
    def test_names_are_cleaned(self, alice, name, stored):
        response = client_of(alice).post(URL, {"name": name}, format="json")

        assert response.json()["name"] == stored

    @pytest.mark.parametrize(
        "name",
        [
            "", " ", "x", " x ", "x" * 65, "a\x00b", "a\nb", "a\x7fb", "\u200b\u200b", "\u202eevil", "\u3164\u3164",
            "\u00ad\u00ad", "a\u0378b", None, 7, True, ["ab"], {"a": 1}, "Pi\u200drates", "Pirates\ufe0f", "👩\u200d🚀",
            "Pirates\u2800", "Admin", "The Bitcoin Game", "Bitcoin Game Support", "Official Pirates",
        ],
    )  # fmt: skip
    def test_bad_names_are_refused(self, alice, name):
        response = client_of(alice).post(URL, {"name": name}, format="json")

        refusal(response, 400, "invalid_input")
        assert "name" in response.json()["errors"]
        assert not Cooperative.objects.exists()
        assert not UserActivity.objects.exists()

    @pytest.mark.parametrize("name", ["Pi\u200drates", "Admin", "Staff", "The Bitcoin Game"])
    def test_an_admin_gives_no_such_name_either(self, alice, client, name):
        cooperative = make_cooperative(alice, name="Pirates", motto="Arr")

        changes = [{"name": name}, {"motto": "Ar\u200br"}, {"motto": "Ar\u3164r"}]
        for change in changes:
            answer = client_of(alice).put(f"{URL}/{cooperative.pk}", change, format="json")
            refusal(answer, 400, "invalid_input")
            assert answer.json()["errors"].keys() == change.keys()
        refusal(client.get(f"{URL}/name-available", {"name": name}), 400, "invalid_input")
        cooperative.refresh_from_db()
        assert (cooperative.name, cooperative.motto) == ("Pirates", "Arr")

    @pytest.mark.parametrize(("motto", "stored"), [(None, None), ("", None), ("  ", None), (" a  b ", "a b")])
    def test_mottos_are_cleaned(self, alice, motto, stored):
        response = client_of(alice).post(URL, {"name": "Pirates", "motto": motto}, format="json")

        assert response.json()["motto"] == stored

    @pytest.mark.parametrize("taken", ["hash pirates", "HASH PIRATES", "Hash  Pirates"])
    def test_a_name_is_taken_whatever_its_case(self, alice, bob, taken):
        make_cooperative(alice, name="Hash Pirates")

        response = client_of(bob).post(URL, {"name": taken}, format="json")

        assert "name already exists" in refusal(response, 400, "name_taken")
        assert seats() == [(Cooperative.objects.get().pk, alice.pk, "admin")]

    def test_case_is_that_of_every_script(self, alice, bob):
        make_cooperative(alice, name="ÄÖÜ ΣΊΣΥΦΟΣ")

        response = client_of(bob).post(URL, {"name": "äöü σίσυφος"}, format="json")

        refusal(response, 400, "name_taken")

    def test_a_member_founds_no_other(self, alice):
        make_cooperative(alice)

        response = client_of(alice).post(URL, {"name": "Another"}, format="json")

        assert "already a member" in refusal(response, 400, "already_member")
        assert Cooperative.objects.count() == 1

    def test_one_signs_in_first(self, db):
        refusal(client_of(None).post(URL, {"name": "Pirates"}, format="json"), 401, "not_signed_in")
        assert not Cooperative.objects.exists()


class TestJoining:
    def test_member_joins_by_code(self, alice, bob):
        cooperative = make_cooperative(alice)

        response = client_of(bob).post(f"{URL}/join", {"invite_code": cooperative.invite_code}, format="json")

        assert response.status_code == 200
        body = response.json()
        assert body["member_count"] == 2
        assert body["invite_code"] == cooperative.invite_code
        assert [(m["display_name"], m["role"]) for m in body["members"]] == [("Alice", "admin"), ("Bob", "member")]
        feed = client_of(bob).get("/api/v1/activity/feed").json()["activities"]
        assert [(a["type"], a["title"]) for a in feed] == [("coop_joined", f"Joined cooperative: {cooperative.name}")]

    def test_case_and_surrounding_spaces_of_the_code_do_not_count(self, alice, bob):
        code = make_cooperative(alice).invite_code

        response = client_of(bob).post(f"{URL}/join", {"invite_code": f"  {code.lower()} "}, format="json")

        assert response.status_code == 200

    @pytest.mark.parametrize(
        "code", ["", "AAAAAAAA", "AAAA", "A" * 9, "ÄÖÜ", "' OR 1=1", "ＡＢＣＤＥＦＧＨ", "A" * 5000]
    )
    def test_a_wrong_code_is_refused(self, alice, bob, code):
        make_cooperative(alice)

        response = client_of(bob).post(f"{URL}/join", {"invite_code": code}, format="json")

        assert "Invalid invite code" in refusal(response, 400, "invalid_invite_code")
        assert CooperativeMember.objects.count() == 1

    @pytest.mark.parametrize("code", [None, 12345678, ["A"], {"a": 1}, True, "A\x00BCDEFG"])
    def test_a_code_that_is_no_text_is_bad_input(self, bob, code):
        refusal(client_of(bob).post(f"{URL}/join", {"invite_code": code}, format="json"), 400, "invalid_input")

    def test_a_full_cooperative_takes_nobody(self, alice, bob):
        cooperative = make_cooperative(alice, *[make_user() for _ in range(19)])
        assert cooperative.member_count == 20

        response = client_of(bob).post(f"{URL}/join", {"invite_code": cooperative.invite_code}, format="json")

        assert "full" in refusal(response, 400, "cooperative_full")
        assert cooperative.members.count() == 20
        assert not UserActivity.objects.filter(user=bob).exists()

    def test_a_member_joins_no_other(self, alice, bob):
        make_cooperative(bob)
        cooperative = make_cooperative(alice)

        response = client_of(bob).post(f"{URL}/join", {"invite_code": cooperative.invite_code}, format="json")

        assert "already a member" in refusal(response, 400, "already_member")
        assert cooperative.members.count() == 1

    def test_a_suspended_cooperative_takes_nobody(self, alice, bob):
        cooperative = make_cooperative(alice)
        Cooperative.objects.update(is_active=False)

        response = client_of(bob).post(f"{URL}/join", {"invite_code": cooperative.invite_code}, format="json")

        assert "no longer active" in refusal(response, 400, "cooperative_inactive")
        assert cooperative.members.count() == 1

    def test_a_regenerated_code_kills_the_old_one(self, alice, bob):
        cooperative = make_cooperative(alice)

        new = client_of(alice).post(f"{URL}/{cooperative.pk}/regenerate-code").json()

        assert re.fullmatch("[A-Z0-9]{8}", new["invite_code"])
        assert new["invite_code"] != cooperative.invite_code
        client = client_of(bob)
        old_code = {"invite_code": cooperative.invite_code}
        refusal(client.post(f"{URL}/join", old_code, format="json"), 400, "invalid_invite_code")
        assert client.post(f"{URL}/join", new, format="json").status_code == 200


class TestLeaving:
    def test_a_member_leaves(self, alice, bob):
        cooperative = make_cooperative(alice, bob)

        response = client_of(bob).post(f"{URL}/leave")

        assert response.json() == {"detail": f"You have left {cooperative.name}."}
        cooperative.refresh_from_db()
        assert (cooperative.member_count, cooperative.owner_id) == (1, alice.pk)

    def test_the_longest_serving_member_succeeds_the_admin(self, alice, bob, charlie):
        cooperative = make_cooperative(alice, bob, charlie)
        CooperativeMember.objects.filter(user=charlie).update(joined_at="2020-01-01T00:00:00Z")

        assert client_of(alice).post(f"{URL}/leave").status_code == 200

        cooperative.refresh_from_db()
        assert cooperative.owner_id == charlie.pk
        assert seats() == [(cooperative.pk, bob.pk, "member"), (cooperative.pk, charlie.pk, "admin")]

    def test_of_those_who_joined_together_the_lowest_id_succeeds(self, alice, bob, charlie):
        cooperative = make_cooperative(alice, bob, charlie)
        CooperativeMember.objects.update(joined_at="2020-01-01T00:00:00Z")

        client_of(alice).post(f"{URL}/leave")

        cooperative.refresh_from_db()
        assert cooperative.owner_id == bob.pk

    def test_the_last_one_dissolves_it(self, alice, bob):
        cooperative = make_cooperative(alice)

        assert client_of(alice).post(f"{URL}/leave").status_code == 200

        cooperative.refresh_from_db()
        assert (cooperative.is_active, cooperative.member_count) == (False, 0)
        client = client_of(bob)
        refusal(client.get(f"{URL}/{cooperative.pk}"), 404, "cooperative_not_found")
        refusal(client.get(f"{URL}/{cooperative.pk}/stats"), 404, "cooperative_not_found")
        assert client.get(URL).json() == {"cooperatives": [], "total": 0, "page": 1, "per_page": 20}
        code = {"invite_code": cooperative.invite_code}
        said = refusal(client.post(f"{URL}/join", code, format="json"), 400, "cooperative_inactive")
        assert "no longer active" in said
        refusal(client.get(f"{URL}/invite/{cooperative.invite_code}"), 400, "cooperative_inactive")
        assert not CooperativeMember.objects.exists()

    def test_a_user_without_a_cooperative_cannot_leave(self, bob):
        refusal(client_of(bob).post(f"{URL}/leave"), 400, "not_a_member")

    def test_one_leaves_a_suspended_cooperative(self, alice, bob):
        cooperative = make_cooperative(alice, bob)
        Cooperative.objects.update(is_active=False)

        assert client_of(bob).post(f"{URL}/leave").status_code == 200

        cooperative.refresh_from_db()
        assert (cooperative.member_count, cooperative.is_active) == (1, False)


class TestAdministering:
    def test_admin_edits(self, alice):
        cooperative = make_cooperative(alice, name="Before", motto="Old")

        body = client_of(alice).put(f"{URL}/{cooperative.pk}", {"name": "After"}, format="json").json()

        assert (body["name"], body["motto"]) == ("After", "Old")

    def test_null_clears_the_motto(self, alice):
        cooperative = make_cooperative(alice, name="Before", motto="Old")

        body = client_of(alice).put(f"{URL}/{cooperative.pk}", {"motto": None}, format="json").json()

        assert (body["name"], body["motto"]) == ("Before", None)

    def test_a_change_of_case_is_no_conflict_with_oneself(self, alice):
        cooperative = make_cooperative(alice, name="Pirates")

        assert client_of(alice).put(f"{URL}/{cooperative.pk}", {"name": "PIRATES"}, format="json").status_code == 200

    def test_a_taken_name_is_refused(self, alice, bob):
        make_cooperative(bob, name="Taken")
        cooperative = make_cooperative(alice, name="Before")

        response = client_of(alice).put(f"{URL}/{cooperative.pk}", {"name": "taken", "motto": "x"}, format="json")

        refusal(response, 400, "name_taken")
        cooperative.refresh_from_db()
        assert (cooperative.name, cooperative.motto) == ("Before", None)

    @pytest.mark.parametrize("name", [None, "", "x", 3])
    def test_the_name_cannot_be_cleared(self, alice, name):
        cooperative = make_cooperative(alice, name="Before")

        refusal(client_of(alice).put(f"{URL}/{cooperative.pk}", {"name": name}, format="json"), 400, "invalid_input")

        cooperative.refresh_from_db()
        assert cooperative.name == "Before"

    def test_admin_removes_a_member(self, alice, bob):
        cooperative = make_cooperative(alice, bob)

        url = f"{URL}/{cooperative.pk}/remove-member"
        response = client_of(alice).post(url, {"user_id": str(bob.pk)}, format="json")

        assert response.status_code == 200
        assert set(response.json()) == {"detail"}
        assert seats() == [(cooperative.pk, alice.pk, "admin")]
        refusal(client_of(alice).post(url, {"user_id": str(bob.pk)}, format="json"), 404, "member_not_found")

    def test_nobody_removes_themselves(self, alice, bob):
        cooperative = make_cooperative(alice, bob)

        response = client_of(alice).post(
            f"{URL}/{cooperative.pk}/remove-member", {"user_id": str(alice.pk)}, format="json"
        )

        assert "Use the leave endpoint" in refusal(response, 400, "use_leave_endpoint")
        assert len(seats()) == 2

    @pytest.mark.parametrize("user_id", [None, "", "x", "-1", "1.0", 1, "9" * 19, "٣", ["1"]])
    def test_a_malformed_user_id_is_bad_input(self, alice, user_id):
        cooperative = make_cooperative(alice)

        response = client_of(alice).post(f"{URL}/{cooperative.pk}/remove-member", {"user_id": user_id}, format="json")

        refusal(response, 400, "invalid_input")

    def test_every_id_the_platform_may_give_can_be_removed(self, alice):
        last = make_user(id=2**63 - 1)
        cooperative = make_cooperative(alice, last)

        response = client_of(alice).post(
            f"{URL}/{cooperative.pk}/remove-member", {"user_id": str(last.pk)}, format="json"
        )

        assert response.status_code == 200
        assert len(seats()) == 1

    def test_the_path_says_which_cooperative(self, alice, bob, charlie):
        """Admins remove nobody from other cooperatives, whichever member they name."""
        own = make_cooperative(alice, bob)
        other = make_cooperative(charlie)
        client = client_of(alice)

        removal = client.post(f"{URL}/{other.pk}/remove-member", {"user_id": str(bob.pk)}, format="json")
        foreign = client.post(f"{URL}/{own.pk}/remove-member", {"user_id": str(charlie.pk)}, format="json")

        assert "Only cooperative admins" in refusal(removal, 403, "not_cooperative_admin")
        refusal(foreign, 404, "member_not_found")
        refusal(client.post(f"{URL}/{other.pk}/regenerate-code"), 403, "not_cooperative_admin")
        assert Cooperative.objects.get(pk=other.pk).invite_code == other.invite_code
        assert CooperativeMember.objects.count() == 3

    def test_admin_alone_dissolves(self, alice):
        cooperative = make_cooperative(alice)

        response = client_of(alice).delete(f"{URL}/{cooperative.pk}")

        assert (response.status_code, response.content) == (204, b"")
        cooperative.refresh_from_db()
        assert (cooperative.is_active, cooperative.member_count) == (False, 0)

    def test_admin_with_others_does_not(self, alice, bob):
        cooperative = make_cooperative(alice, bob)

        refusal(client_of(alice).delete(f"{URL}/{cooperative.pk}"), 400, "cooperative_has_members")

        assert len(seats()) == 2

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("put", "", {"name": "Mine now"}),
            ("delete", "", None),
            ("post", "/regenerate-code", None),
            ("post", "/remove-member", {"user_id": "1"}),
        ],
    )
    def test_only_its_admin_may(self, alice, bob, charlie, method, path, body):
        cooperative = make_cooperative(alice, bob)
        before = Cooperative.objects.values().get()

        for person, status, code in [
            (bob, 403, "not_cooperative_admin"),
            (charlie, 403, "not_cooperative_admin"),
            (None, 401, "not_signed_in"),
        ]:
            response = getattr(client_of(person), method)(f"{URL}/{cooperative.pk}{path}", body, format="json")
            refusal(response, status, code)
        missing = getattr(client_of(alice), method)(f"{URL}/{cooperative.pk + 1}{path}", body, format="json")
        refusal(missing, 404, "cooperative_not_found")
        assert Cooperative.objects.values().get() == before
        assert len(seats()) == 2

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("put", "", {"name": "Reborn"}),
            ("post", "/regenerate-code", None),
            ("post", "/remove-member", {"user_id": "1"}),
        ],
    )
    def test_a_suspended_cooperative_is_not_administered(self, alice, bob, method, path, body):
        cooperative = make_cooperative(alice, bob)
        Cooperative.objects.update(is_active=False)
        before = Cooperative.objects.values().get()

        response = getattr(client_of(alice), method)(f"{URL}/{cooperative.pk}{path}", body, format="json")

        assert "no longer active" in refusal(response, 400, "cooperative_inactive")
        assert Cooperative.objects.values().get() == before
