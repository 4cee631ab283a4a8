"""What outsiders and members see of cooperatives, suspended ones too, and how many queries a list makes."""

import pytest

from conftest import client_of, make_cooperative, make_user
from social.models import Cooperative, CooperativeMember
from social.services import join_cooperative
from social.tests.test_cooperatives_api import URL, refusal

pytestmark = pytest.mark.django_db


def names(response):
    return [row["name"] for row in response.json()["cooperatives"]]


def shown(response):
    return [member["display_name"] for member in response.json()["members"]]


@pytest.fixture
def ranking(db):
    """Five cooperatives: one first, two second (the id decides), and two unranked with a high and a low hashrate."""
    for name, rank, hashrate in [("B", 2, 0), ("A", 1, 5), ("D", 0, 9), ("E", 0, 1), ("C", 2, 0)]:
        cooperative = make_cooperative(make_user(), name=f"Coop {name}")
        Cooperative.objects.filter(pk=cooperative.pk).update(weekly_rank=rank, combined_hashrate=hashrate)


class TestList:
    def test_best_rank_first_and_unranked_last(self, ranking, client):
        response = client.get(URL)

        assert names(response) == ["Coop A", "Coop B", "Coop C", "Coop D", "Coop E"]
        first = response.json()["cooperatives"][0]
        assert (first["members"], first["invite_code"], first["weekly_rank"]) == ([], None, 1)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("page=1&per_page=2", ["Coop A", "Coop B"]),
            ("page=3&per_page=2", ["Coop E"]),
            ("page=4&per_page=2", []),
            ("page=1000000&per_page=100", []),
        ],
    )
    def test_pages(self, ranking, client, query, expected):
        response = client.get(f"{URL}?{query}")

        assert names(response) == expected
        assert response.json()["total"] == 5

    @pytest.mark.parametrize(
        "query",
        ["page=0", "page=-1", "page=x", "page=1.5", "page=99999999999999999999", "per_page=0", "per_page=101", "page="],
    )
    def test_pages_out_of_range_are_bad_input(self, client, query):
        refusal(client.get(f"{URL}?{query}"), 400, "invalid_input")

    @pytest.mark.parametrize(
        ("search", "expected"),
        [("coop a", ["Coop A"]), ("COOP", 5), ("", 5), (" ", 5), ("%", []), ("_", []), ("zzz", []), ("\\", [])],
    )
    def test_search_is_part_of_the_name(self, ranking, client, search, expected):
        response = client.get(URL, {"search": search})

        found = names(response)
        assert (found if isinstance(expected, list) else len(found)) == expected
        assert response.json()["total"] == len(found)

    def test_search_refuses_nul(self, client):
        refusal(client.get(URL, {"search": "a\x00"}), 400, "invalid_input")

    def test_at_most_two_queries_with_none_one_and_many(self, alice, client, django_assert_num_queries):
        with django_assert_num_queries(2):
            assert client.get(URL).json()["total"] == 0
        make_cooperative(alice)
        with django_assert_num_queries(1):
            client.get(URL)
        for _ in range(5):
            make_cooperative(make_user())
        with django_assert_num_queries(1):
            assert len(names(client.get(URL))) == 6

    def test_suspended_and_dissolved_ones_are_gone(self, alice, bob, charlie, client):
        make_cooperative(alice)
        suspended, dissolved = make_cooperative(bob), make_cooperative(charlie)
        Cooperative.objects.filter(pk=suspended.pk).update(is_active=False)
        client_of(charlie).post(f"{URL}/leave")

        body = client.get(URL).json()

        assert len(body["cooperatives"]) == body["total"] == 1
        refusal(client.get(f"{URL}/{suspended.pk}"), 404, "cooperative_not_found")
        refusal(client.get(f"{URL}/{dissolved.pk}/stats"), 404, "cooperative_not_found")


class TestDetail:
    def test_at_most_two_queries_with_one_and_twenty_members(self, alice, client, django_assert_num_queries):
        cooperative = make_cooperative(alice)
        with django_assert_num_queries(2):
            client.get(f"{URL}/{cooperative.pk}")
        for _ in range(19):
            join_cooperative(user=make_user(), invite_code=cooperative.invite_code)
        with django_assert_num_queries(2):
            assert len(shown(client.get(f"{URL}/{cooperative.pk}"))) == 20

    def test_the_code_is_for_members_only(self, alice, bob, charlie, client):
        cooperative = make_cooperative(alice, bob)

        codes = [
            client_of(person).get(f"{URL}/{cooperative.pk}").json()["invite_code"]
            for person in (alice, bob, charlie, None)
        ]

        assert codes == [cooperative.invite_code, cooperative.invite_code, None, None]

    @pytest.mark.parametrize("setting", ["public_profile", "show_in_coop_rankings"])
    def test_hidden_members_are_listed_to_fellow_members_only(self, alice, charlie, client, setting):
        hidden = make_user("Hidden", **{setting: False})
        cooperative = make_cooperative(alice, hidden)

        for_outsider = client_of(charlie).get(f"{URL}/{cooperative.pk}")

        assert shown(for_outsider) == ["Alice"]
        assert for_outsider.json()["member_count"] == 2
        assert b"Hidden" not in for_outsider.content
        assert hidden.btc_address[:8].encode() not in for_outsider.content.replace(alice.btc_address.encode(), b"")
        assert shown(client_of(alice).get(f"{URL}/{cooperative.pk}")) == ["Alice", "Hidden"]
        assert shown(client_of(hidden).get(f"{URL}/{cooperative.pk}")) == ["Alice", "Hidden"]

    def test_the_name_falls_back_to_the_start_of_the_address(self, client):
        admin = make_user(btc_address="1BoatSLRHtKNngkdXEeobR76b53LETtpyT")
        cooperative = make_cooperative(admin)

        assert shown(client.get(f"{URL}/{cooperative.pk}")) == ["Miner-1BoatSLR"]

    def test_members_see_their_suspended_cooperative_marked(self, alice, bob):
        cooperative = make_cooperative(alice)
        Cooperative.objects.update(is_active=False)

        for path in (str(cooperative.pk), "mine"):
            body = client_of(alice).get(f"{URL}/{path}").json()
            assert (body["is_active"], len(body["members"])) == (False, 1)
        assert client_of(alice).get(f"{URL}/{cooperative.pk}/stats").status_code == 200
        refusal(client_of(bob).get(f"{URL}/{cooperative.pk}"), 404, "cooperative_not_found")

    @pytest.mark.parametrize("cooperative_id", ["0", "999999999999999999", "9" * 30, "x", "-1", "1.5", "%00", "1%20"])
    def test_ids_nobody_has_are_not_found(self, client, cooperative_id):
        for path in ("", "/stats"):
            response = client.get(f"{URL}/{cooperative_id}{path}")
            assert response.status_code == 404
            assert response.json()["code"] in ("not_found", "cooperative_not_found")


class TestStats:
    def test_sums_in_one_query(self, alice, bob, charlie, client, django_assert_num_queries):
        cooperative = make_cooperative(alice, bob, charlie)
        CooperativeMember.objects.exclude(user=charlie).update(is_online=True)
        Cooperative.objects.update(
            combined_hashrate=1.5e12, total_shares_week=3_000_000_000, blocks_found=2, weekly_streak=4,
            best_combined_diff=9.25e6, weekly_rank=7,
        )  # fmt: skip

        with django_assert_num_queries(1):
            response = client.get(f"{URL}/{cooperative.pk}/stats")

        assert response.json() == {
            "combined_hashrate": 1.5e12,
            "total_shares_week": 3_000_000_000,
            "member_count": 3,
            "online_count": 2,
            "blocks_found": 2,
            "weekly_streak": 4,
            "best_combined_diff": 9.25e6,
            "weekly_rank": 7,
        }


class TestMineInvitationAndNames:
    def test_mine(self, alice, bob):
        cooperative = make_cooperative(alice, name="Pirates")

        assert client_of(alice).get(f"{URL}/mine").json()["invite_code"] == cooperative.invite_code
        refusal(client_of(bob).get(f"{URL}/mine"), 404, "no_cooperative")
        refusal(client_of(None).get(f"{URL}/mine"), 401, "not_signed_in")

    @pytest.mark.parametrize("setting", ["public_profile", "show_in_coop_rankings"])
    def test_the_join_page_sees_the_members_whom_outsiders_may_see(self, alice, bob, client, setting):
        hidden = make_user("Hidden", **{setting: False})
        code = make_cooperative(alice, hidden, bob, name="Pirates").invite_code

        for asker in (client, client_of(make_user()), client_of(hidden)):
            response = asker.get(f"{URL}/invite/{code.lower()}")
            body = response.json()
            assert (body["name"], body["member_count"], body["max_members"]) == ("Pirates", 3, 20)
            assert (shown(response), body["invite_code"]) == (["Alice", "Bob"], None)
            assert (b"Hidden" in response.content, hidden.btc_address[-8:].encode() in response.content) == (
                False,
                False,
            )

    def test_at_most_four_queries_for_the_join_page(self, alice, client, django_assert_max_num_queries):
        code = make_cooperative(alice, *[make_user() for _ in range(19)]).invite_code

        with django_assert_max_num_queries(4):
            assert len(shown(client.get(f"{URL}/invite/{code}"))) == 20

    def test_the_join_page_of_a_suspended_one(self, alice, client):
        code = make_cooperative(alice).invite_code
        Cooperative.objects.update(is_active=False)

        refusal(client.get(f"{URL}/invite/{code}"), 400, "cooperative_inactive")

    @pytest.mark.parametrize("code", ["AAAAAAAA", "x", "A B", "%00", "A" * 64, "..%2f.."])
    def test_the_join_page_of_a_wrong_code(self, client, code):
        response = client.get(f"{URL}/invite/{code}")
        assert response.status_code in (400, 404)
        assert response.json()["code"] in ("invalid_invite_code", "not_found")

    @pytest.mark.parametrize(
        ("name", "available"), [("Pirates", False), ("  pIRATES ", False), ("Corsairs", True), ("Pirates 2", True)]
    )
    def test_name_available(self, alice, client, name, available):
        make_cooperative(alice, name="Pirates")

        assert client.get(f"{URL}/name-available", {"name": name}).json() == {"available": available}

    @pytest.mark.parametrize("query", [{}, {"name": ""}, {"name": "x"}, {"name": "a\x00b"}, {"name": "x" * 65}])
    def test_name_available_of_no_name(self, client, query):
        refusal(client.get(f"{URL}/name-available", query), 400, "invalid_input")

    def test_a_dissolved_ones_name_stays_taken(self, alice, client):
        make_cooperative(alice, name="Pirates")
        client_of(alice).post(f"{URL}/leave")

        assert client.get(f"{URL}/name-available", {"name": "Pirates"}).json() == {"available": False}


class TestFeed:
    def test_is_ones_own_only_newest_first(self, alice, bob):
        make_cooperative(alice, bob)
        client_of(alice).post(f"{URL}/leave")
        make_cooperative(alice, name="Second")

        body = client_of(alice).get("/api/v1/activity/feed?per_page=1").json()

        assert (body["total"], body["activities"][0]["title"]) == (2, "Created cooperative: Second")
        assert client_of(bob).get("/api/v1/activity/feed").json()["total"] == 1

    def test_three_queries_the_sign_in_included(self, alice, django_assert_num_queries):
        make_cooperative(alice)
        with django_assert_num_queries(3):
            client_of(alice).get("/api/v1/activity/feed")

    def test_needs_a_sign_in(self, client, db):
        refusal(client.get("/api/v1/activity/feed"), 401, "not_signed_in")
