"""Listing, counting and reading one's notifications over the API."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from conftest import client_of, make_user
from notifications.jobs import send_due_emails
from notifications.models import EmailDelivery, Notification, NotificationCounter
from notifications.retention import delete_old_notifications
from notifications.services import PersonalNotification, create_notification, create_notifications
from notifications.tests.people import assert_counters_equal_rows, confirmed, counter, prefer, seqs, tell

LIST = "/api/v1/notifications"
READ_ALL = "/api/v1/notifications/read-all"
UNREAD = "/api/v1/notifications/unread-count"

pytestmark = pytest.mark.django_db


def fill(user, count, kind="worker_online"):
    values = {"worker_online": {"worker": "bitaxe-1"}, "welcome": {}, "coop_removed": {"cooperative": "Hash Pirates"}}
    with transaction.atomic():
        items = [PersonalNotification(user.pk, f"{kind}:{number}", values[kind]) for number in range(count)]
        assert create_notifications(kind=kind, items=items) == count


def expire(user, *wanted):
    past = timezone.now() - timedelta(seconds=1)
    assert Notification.objects.filter(user=user, seq__in=wanted).update(expires_at=past) == len(wanted)


def listed(client, query=""):
    """(seqs, total)"""
    answer = client.get(LIST + query)
    assert answer.status_code == 200, answer.json()
    ids = [int(row["id"]) for row in answer.json()["notifications"]]
    numbers = dict(Notification.objects.values_list("pk", "seq"))
    return [numbers[id_] for id_ in ids], answer.json()["total"]


def unread_count(user):
    return client_of(user).get(UNREAD).json()["unread_count"]


def test_a_notification_in_the_list_has_the_specified_shape(alice):
    tell(alice, kind="worker_offline", cause="x", worker="bitaxe-1", minutes=30)
    row = Notification.objects.get()
    assert client_of(alice).get(LIST).json() == {
        "notifications": [
            {
                "id": str(row.pk),
                "type": "mining",
                "subtype": "worker_offline",
                "title": "Worker Offline",
                "description": "bitaxe-1 has been offline for 30 minutes.",
                "timestamp": row.created_at.isoformat().replace("+00:00", "Z"),
                "read": False,
                "action_url": "/mining/workers",
                "action_label": "View workers",
            }
        ],
        "total": 1,
        "page": 1,
        "per_page": 20,
    }


def test_the_list_is_ones_own_newest_first_in_pages(alice, bob):
    fill(alice, 45)
    fill(bob, 3)
    client = client_of(alice)
    assert listed(client) == (list(range(45, 25, -1)), 45)
    assert listed(client, "?page=3") == ([5, 4, 3, 2, 1], 45)
    assert listed(client, "?page=2&per_page=2") == ([43, 42], 45)
    assert listed(client, "?page=4") == ([], 45)
    assert listed(client, "?page=1000000&per_page=100") == ([], 45)
    assert listed(client_of(bob)) == ([3, 2, 1], 3)
    assert listed(client_of(make_user())) == ([], 0)


def test_filters_by_type_and_unread(alice):
    fill(alice, 3)
    fill(alice, 2, "welcome")
    client = client_of(alice)
    newest_mining = Notification.objects.get(user=alice, seq=3)
    client.post(f"{LIST}/{newest_mining.pk}/read")
    assert listed(client, "?type=mining") == ([3, 2, 1], 3)
    assert listed(client, "?type=system") == ([5, 4], 2)
    assert listed(client, "?type=social") == ([], 0)
    assert listed(client, "?unread=true") == ([5, 4, 2, 1], 4)
    assert listed(client, "?unread=false") == ([5, 4, 3, 2, 1], 5)
    assert listed(client, "?type=mining&unread=true") == ([2, 1], 2)
    assert listed(client, "?type=mining&unread=true&page=2&per_page=1") == ([1], 2)


def test_a_scroll_by_before_does_not_shift(alice):
    fill(alice, 6)
    client = client_of(alice)
    first = client.get(f"{LIST}?per_page=3").json()["notifications"]
    fill(alice, 4, "welcome")
    assert listed(client, f"?per_page=3&before={first[-1]['id']}") == ([3, 2, 1], 10)
    oldest = Notification.objects.get(user=alice, seq=1)
    assert listed(client, f"?before={oldest.pk}") == ([], 10)
    assert listed(client, f"?before={oldest.pk + 3}&type=mining&per_page=1&page=2") == ([2], 6)


def pks(user):
    """The ids by seq, from 1. Position 0 is empty."""
    return [None, *Notification.objects.filter(user=user).order_by("seq").values_list("pk", flat=True)]


def test_before_must_not_be_anothers(alice, bob):
    fill(alice, 1)
    fill(bob, 2)
    standing, dismissed = pks(bob)[1:]
    assert client_of(bob).delete(f"{LIST}/{dismissed}").status_code == 204
    for foreign in (standing, dismissed):
        for method, path in (("get", LIST), ("post", READ_ALL)):
            answer = getattr(client_of(alice), method)(f"{path}?before={foreign}")
            assert (answer.status_code, answer.json()["code"]) == (404, "notification_not_found")
    assert (unread_count(alice), unread_count(bob)) == (1, 1)


def test_before_goes_on_below_a_row_that_is_gone(alice, bob):
    """Dismissed, cleaned up, deleted by hand or never there: what is older is listed."""
    fill(alice, 7)
    fill(bob, 3)
    fill(alice, 3, "welcome")
    ids = pks(alice)
    client = client_of(alice)
    client.delete(f"{LIST}/{ids[6]}")
    client.post(f"{LIST}/{ids[4]}/read")
    Notification.objects.filter(pk=ids[4]).update(created_at=timezone.now() - timedelta(days=91))
    assert delete_old_notifications(now=timezone.now()) == 1
    Notification.objects.filter(pk=ids[9]).delete()
    for gone, below in ((6, [5, 3, 2, 1]), (4, [3, 2, 1]), (9, [8, 7, 5, 3, 2, 1])):
        assert listed(client, f"?before={ids[gone]}")[0] == below
    assert listed(client, f"?before={ids[9]}&type=mining&per_page=2")[0] == [7, 5]
    assert listed(client, f"?before={ids[9]}&type=mining&per_page=2&page=2")[0] == [3, 2]
    client.post(f"{LIST}/{ids[5]}/read")
    assert listed(client, f"?before={ids[6]}&unread=true")[0] == [3, 2, 1]
    assert listed(client, f"?before={ids[6]}&unread=true&type=system")[0] == []
    client.delete(f"{LIST}/{ids[1]}")
    assert listed(client, f"?before={ids[1]}")[0] == []
    assert listed(client, f"?before={10**17}")[0] == [10, 8, 7, 5, 3, 2]
    assert listed(client, "?before=0")[0] == []


def test_a_scroll_loses_and_repeats_nothing_while_rows_go(alice):
    fill(alice, 30)
    client, seen, query = client_of(alice), [], ""
    while True:
        page, _ = listed(client, f"?per_page=4{query}")
        if not page:
            break
        seen += page
        last = Notification.objects.get(user=alice, seq=page[-1]).pk
        assert client.delete(f"{LIST}/{last}").status_code == 204
        query = f"&before={last}"
    assert seen == list(range(30, 0, -1))


def test_the_ids_of_one_user_grow_with_the_seqs(alice, bob):
    """`before` of a row that is gone rests on it. Several rows of one user in one statement, in any order given."""
    values = {"worker": "bitaxe-1"}
    items = [PersonalNotification((alice, bob)[number % 2].pk, f"{number}", values) for number in range(60, 0, -1)]
    with transaction.atomic():
        assert create_notifications(kind="worker_online", items=items) == 60
    tell(bob, alice, kind="coop_removed", cause="x", cooperative="Hash Pirates")
    for user in (alice, bob):
        by_seq = pks(user)[1:]
        assert by_seq == sorted(by_seq)


@pytest.mark.django_db(transaction=True)
def test_the_ids_of_one_user_grow_with_the_seqs_of_writers_at_once(alice, bob, at_once):
    def write(writer):
        for number in range(20):
            tell(*((alice, bob) if writer % 2 else (bob, alice)), cause=f"{writer} {number}")

    assert at_once([lambda writer=writer: write(writer) for writer in range(6)]) == [None] * 6
    for user in (alice, bob):
        by_seq = pks(user)[1:]
        assert by_seq == sorted(by_seq)
        assert len(by_seq) == 120


@pytest.mark.parametrize(
    "query",
    [
        "type=news",
        "type=Mining",
        "unread=maybe",
        "unread=1",
        "before=-1",
        "before=x",
        "before=99999999999999999999",
        "before=1%00",
        "page=0",
        "page=1.5",
        "per_page=101",
        "per_page=0",
        "page=99999999999",
    ],
)
def test_bad_queries_are_refused(alice, query):
    answer = client_of(alice).get(f"{LIST}?{query}")
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == {query.split("=")[0]}


def test_expired_ones_are_neither_listed_nor_counted(alice):
    fill(alice, 4)
    fill(alice, 2, "welcome")
    expire(alice, 2, 3, 5)
    client = client_of(alice)
    client.post(f"{LIST}/{Notification.objects.get(user=alice, seq=3).pk}/read")
    assert counter(alice) == (6, 5)
    assert unread_count(alice) == 3
    assert listed(client) == ([6, 4, 1], 3)
    assert listed(client, "?type=mining") == ([4, 1], 2)
    assert listed(client, "?unread=true") == ([6, 4, 1], 3)
    assert listed(client, "?type=system&unread=true") == ([6], 1)


def test_reading_one_is_told_to_ones_sockets_and_again_is_fine(alice, overheard, django_capture_on_commit_callbacks):
    fill(alice, 3)
    wanted = Notification.objects.get(user=alice, seq=2)
    client = client_of(alice)
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post(f"{LIST}/{wanted.pk}/read")
        assert (answer.status_code, answer.json()) == (200, {"detail": "The notification is marked as read."})
    assert overheard() == {alice.pk: [{"event": "read", "data": {"ids": [str(wanted.pk)], "unread": 2}}]}
    assert list(Notification.objects.filter(read=True)) == [wanted]
    assert unread_count(alice) == 2
    assert_counters_equal_rows()


def test_reading_all_is_told_to_ones_sockets(alice, bob, overheard, django_capture_on_commit_callbacks):
    fill(alice, 3)
    fill(alice, 2, "welcome")
    fill(bob, 1)
    expire(alice, 2)
    client = client_of(alice)
    answers = []
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            answers.append(client.post(READ_ALL).json())
    assert answers == [{"detail": "4 notifications marked as read."}, {"detail": "0 notifications marked as read."}]
    assert overheard() == {alice.pk: [{"event": "read", "data": {"ids": "all", "unread": 0}}]}
    assert (unread_count(alice), unread_count(bob)) == (0, 1)
    assert (counter(alice), counter(bob)) == ((5, 0), (1, 1))
    assert_counters_equal_rows()
    fill(alice, 1, "coop_removed")
    assert client.post(READ_ALL).json() == {"detail": "1 notification marked as read."}


def test_reading_all_of_one_type_or_older_than_one(alice, bob, overheard, django_capture_on_commit_callbacks):
    fill(alice, 3)
    fill(alice, 2, "welcome")
    fill(bob, 2)
    ids = pks(alice)
    expire(alice, 2)
    client = client_of(alice)

    def read_all(query):
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post(READ_ALL + query)
        assert answer.status_code == 200, answer.json()
        return answer.json()["detail"], sorted(
            Notification.objects.filter(user=alice, read=True).values_list("seq", flat=True)
        )

    assert read_all("?type=social") == ("0 notifications marked as read.", [])
    assert read_all(f"?before={ids[1]}") == ("0 notifications marked as read.", [])
    assert read_all(f"?type=system&before={ids[5]}") == ("1 notification marked as read.", [4])
    assert read_all("?type=mining") == ("2 notifications marked as read.", [1, 2, 3, 4])
    assert_counters_equal_rows()
    assert unread_count(alice) == 1
    client.delete(f"{LIST}/{ids[5]}")
    fill(alice, 1, "coop_removed")
    assert read_all(f"?before={ids[5]}") == ("0 notifications marked as read.", [1, 2, 3, 4])
    assert read_all(f"?before={10**17}") == ("1 notification marked as read.", [1, 2, 3, 4, 6])
    last = pks(alice)[-1]
    assert overheard() == {
        alice.pk: [
            {"event": "read", "data": {"ids": [str(ids[4])], "unread": 3}},
            {"event": "read", "data": {"ids": [str(ids[1]), str(ids[3])], "unread": 1}},
            {"event": "read", "data": {"ids": [str(last)], "unread": 0}},
        ]
    }
    assert unread_count(bob) == 2
    assert_counters_equal_rows()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("type=news", "type"), ("type=", "type"), ("type=Mining", "type"), ("before=", "before"),
        ("before=x", "before"), ("before=99999999999999999999", "before"), ("unread=true", "unread"),
        ("page=1", "page"), ("since=1", "since"),
        ("type=mining&kind=welcome", "kind"), ("Type=mining", "Type"),
    ],
)  # fmt: skip
def test_a_bad_wish_to_read_marks_nothing(alice, query, field, overheard, django_capture_on_commit_callbacks):
    fill(alice, 2)
    with django_capture_on_commit_callbacks(execute=True):
        answer = client_of(alice).post(f"{READ_ALL}?{query}")
    assert (answer.status_code, answer.json()["code"], set(answer.json()["errors"])) == (400, "invalid_input", {field})
    assert counter(alice) == (2, 2)
    assert overheard() == {}


@pytest.mark.parametrize("field", ["type", "before", "ids"])
def test_what_to_read_is_no_matter_of_the_body(alice, field):
    fill(alice, 2)
    answer = client_of(alice).post(READ_ALL, {field: "mining"}, format="json")
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {field})
    assert counter(alice) == (2, 2)
    assert client_of(alice).post(READ_ALL, {}, format="json").status_code == 200
    assert counter(alice) == (2, 0)


def test_marking_unread_is_told_to_ones_sockets_and_again_is_fine(alice, overheard, django_capture_on_commit_callbacks):
    fill(alice, 3)
    wanted = pks(alice)[2]
    client = client_of(alice)
    client.post(READ_ALL)
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post(f"{LIST}/{wanted}/unread")
        assert (answer.status_code, answer.json()) == (200, {"detail": "The notification is marked as unread."})
    assert overheard() == {alice.pk: [{"event": "unread", "data": {"ids": [str(wanted)], "unread": 1}}]}
    assert listed(client, "?unread=true") == ([2], 1)
    assert client.get(LIST).json()["notifications"][1]["read"] is False
    assert_counters_equal_rows()
    assert client.post(READ_ALL).json() == {"detail": "1 notification marked as read."}


def test_what_has_expired_cannot_be_marked_unread(alice):
    fill(alice, 2)
    client = client_of(alice)
    client.post(READ_ALL)
    expire(alice, 1)
    assert client.post(f"{LIST}/{pks(alice)[1]}/unread").status_code == 404
    assert counter(alice) == (2, 0)


def test_dismissing_is_told_to_ones_sockets_and_again_is_fine(alice, overheard, django_capture_on_commit_callbacks):
    fill(alice, 3)
    fill(alice, 1, "welcome")
    ids = pks(alice)
    client = client_of(alice)
    client.post(f"{LIST}/{ids[3]}/read")
    for wanted in (ids[2], ids[2], ids[3]):
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.delete(f"{LIST}/{wanted}")
        assert (answer.status_code, answer.content) == (204, b"")
    assert overheard() == {
        alice.pk: [
            {"event": "dismissed", "data": {"ids": [str(ids[2])], "unread": 2}},
            {"event": "dismissed", "data": {"ids": [str(ids[3])], "unread": 2}},
        ]
    }
    assert listed(client) == ([4, 1], 2)
    assert listed(client, "?type=mining") == ([1], 1)
    assert unread_count(alice) == 2
    assert_counters_equal_rows()
    for method, path in (("post", "read"), ("post", "unread")):
        assert getattr(client, method)(f"{LIST}/{ids[2]}/{path}").status_code == 404
    assert client.post(READ_ALL).json() == {"detail": "2 notifications marked as read."}


def test_what_has_expired_may_be_dismissed(alice):
    fill(alice, 2)
    expire(alice, 1)
    assert client_of(alice).delete(f"{LIST}/{pks(alice)[1]}").status_code == 204
    assert (seqs(alice), counter(alice), unread_count(alice)) == ([2], (2, 1), 1)
    assert_counters_equal_rows()


def test_what_was_dismissed_or_cleaned_up_is_not_told_again(alice, bob, overheard, django_capture_on_commit_callbacks):
    for cause in ("a", "b", "c"):
        tell(alice, bob, cause=cause)
    client = client_of(alice)
    client.delete(f"{LIST}/{pks(alice)[1]}")
    client.post(f"{LIST}/{pks(alice)[1]}/read")
    Notification.objects.filter(user=alice, read=True).update(created_at=timezone.now() - timedelta(days=91))
    assert delete_old_notifications(now=timezone.now()) == 1
    Notification.objects.filter(user=bob).delete()
    overheard()
    with django_capture_on_commit_callbacks(execute=True):
        assert [tell(alice, cause=cause) for cause in ("a", "b", "c")] == [0, 0, 0]
        assert create_batch(alice, "a", "new", "b") == 1
    assert (seqs(alice), [row["data"]["seq"] for row in overheard()[alice.pk]]) == ([3, 4], [4])
    client.delete(f"{LIST}/{pks(alice)[2]}")
    assert create_batch(alice, "new", "newer") == 1
    assert seqs(alice) == [3, 5]


def create_batch(user, *causes):
    items = [PersonalNotification(user.pk, cause, {"worker": "bitaxe-1"}) for cause in causes]
    with transaction.atomic():
        return create_notifications(kind="worker_online", items=items)


def test_an_email_of_what_was_dismissed_is_not_sent(alice, mailoutbox):
    confirmed(alice, "alice@example.com")
    for cause in ("x", "y"):
        tell(alice, kind="personal_best", variant="first", cause=cause, difficulty=5)
    assert EmailDelivery.objects.count() == 2
    client_of(alice).delete(f"{LIST}/{pks(alice)[1]}")
    send_due_emails()
    assert len(mailoutbox) == 1
    assert list(EmailDelivery.objects.values_list("notification__cause", "state")) == [("y", "sent")]


@pytest.mark.parametrize("id_", ["{foreign}", "0", "999999999999999999", "9999999999999999999"])
@pytest.mark.parametrize(("method", "path"), [("post", "/read"), ("post", "/unread"), ("delete", "")])
def test_foreign_and_unknown_ids_are_not_found(alice, bob, method, path, id_):
    fill(bob, 2)
    foreign, gone = pks(bob)[1:]
    client_of(bob).delete(f"{LIST}/{gone}")
    for foreign_id in (foreign, gone):
        answer = getattr(client_of(alice), method)(f"{LIST}/{id_.format(foreign=foreign_id)}{path}")
        assert answer.status_code == 404
        assert set(answer.json()) == {"detail", "code"}
    assert (counter(bob), seqs(bob)) == ((2, 1), [1])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", LIST),
        ("get", UNREAD),
        ("post", READ_ALL),
        ("post", f"{LIST}/1/read"),
        ("post", f"{LIST}/1/unread"),
        ("delete", f"{LIST}/1"),
    ],
)
def test_only_the_signed_in_are_answered(method, path):
    answer = getattr(client_of(None), method)(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


@pytest.mark.parametrize(("method", "path"), [("post", LIST), ("post", UNREAD), ("get", READ_ALL), ("delete", LIST)])
def test_other_methods_are_not_allowed(alice, method, path):
    assert getattr(client_of(alice), method)(path).status_code == 405


@pytest.mark.parametrize("count", [1, 60])
def test_query_budgets_are_the_same_for_any_number(alice, count, django_assert_num_queries):
    fill(alice, count)
    newest = Notification.objects.filter(user=alice).latest("seq").pk
    client = client_of(alice)
    # One query of each is for the asker.
    budgets = {LIST: 3, f"{LIST}?type=mining&unread=true": 3, f"{LIST}?before={newest}": 4, UNREAD: 2}
    budgets |= {f"{LIST}?before={newest + 1}": 4}
    for path, budget in budgets.items():
        with django_assert_num_queries(budget):
            client.get(path)


@pytest.mark.django_db(transaction=True)
def test_what_commits_during_read_all_stays_unread_and_counted(alice, at_once):
    """A writer holds Alice's counter while she reads all; what it then commits she has not seen."""
    fill(alice, 3)
    is_locked, may_commit = threading.Event(), threading.Event()

    def write():
        with transaction.atomic():
            create_notification(kind="welcome", recipients=[alice.pk], cause="late")
            is_locked.set()
            assert may_commit.wait(30)

    def read_all():
        assert is_locked.wait(30)
        answer = client_of(alice).post(READ_ALL)
        return answer.json()["detail"]

    def release():
        assert is_locked.wait(30)
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        with connection.cursor() as cursor:
            while not cursor.execute(waiting) or cursor.fetchone() == (0,):
                pass
        may_commit.set()

    assert at_once([write, read_all, release]) == [None, "3 notifications marked as read.", None]
    assert list(Notification.objects.filter(read=False).values_list("seq", "subtype")) == [(4, "welcome")]
    assert (counter(alice), unread_count(alice)) == ((4, 1), 1)
    assert_counters_equal_rows()


@pytest.mark.django_db(transaction=True)
def test_one_notification_read_by_eight_devices_at_once_is_counted_once(alice, at_once):
    fill(alice, 2)
    wanted = Notification.objects.get(user=alice, seq=1).pk
    answers = at_once([lambda: client_of(alice).post(f"{LIST}/{wanted}/read").status_code] * 8)
    assert answers == [200] * 8
    assert counter(alice) == (2, 1)
    assert_counters_equal_rows()


def test_a_member_who_switched_everything_off_has_an_empty_list(alice):
    prefer(alice, in_app=False)
    assert tell(alice, cause="x") == 0
    assert listed(client_of(alice)) == ([], 0)
    assert seqs(alice) == []
    assert NotificationCounter.objects.get(user=alice).stored_by_type == [0, 0, 0, 0, 0]
