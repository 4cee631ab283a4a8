"""Staff act on cooperatives and accounts: changes, notifications, entries of the audit log, and refusals."""

from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction

from bitcoingame.core.errors import DomainError
from bitcoingame.staff import accounts
from conftest import client_of, make_cooperative, make_user
from notifications.models import Notification
from profiles.errors import (
    AccountAlreadySuspended,
    AccountNotFound,
    AccountNotSuspended,
    AccountOfStaff,
    OwnAccount,
    ReasonMissing,
)
from profiles.models import AuditEntry, NotificationPreferences, RefreshToken, User
from social import moderation, services
from social.errors import (
    AlreadyCooperativeAdmin,
    CooperativeAlreadySuspended,
    CooperativeDissolved,
    CooperativeInactive,
    CooperativeNotFound,
    CooperativeNotSuspended,
    MemberNotFound,
    NameTaken,
    NameUnchanged,
)
from social.models import Cooperative, CooperativeMember

pytestmark = pytest.mark.django_db

REASON = "Reported by three members."


@pytest.fixture
def mona(db):
    return User.objects.create_staff("mona", "a long enough password")


@pytest.fixture
def pirates(alice, bob):
    cooperative = make_cooperative(alice, bob, name="Pirates")
    NotificationPreferences.objects.update(coop_activity=True)
    Notification.objects.all().delete()
    return cooperative


def told(user):
    return list(Notification.objects.filter(user=user).order_by("seq").values_list("subtype", "description"))


def seats(cooperative):
    return list(cooperative.members.order_by("pk").values_list("user__display_name", "role"))


def audited():
    return list(AuditEntry.objects.order_by("pk").values_list("staff_name", "action", "target_name", "reason"))


def state_of_everything():
    """Everything that must stay the same when an action is refused."""
    return [
        list(Cooperative.objects.order_by("pk").values()),
        list(CooperativeMember.objects.order_by("pk").values()),
        list(User.objects.order_by("pk").values()),
        list(Notification.objects.order_by("pk").values()),
        AuditEntry.objects.count(),
    ]


def test_a_suspended_cooperative_is_gone_for_others_and_keeps_its_members(mona, pirates, alice, bob, charlie):
    moderation.suspend_cooperative(staff=mona, reason=REASON, cooperative_id=pirates.pk)

    pirates.refresh_from_db()
    assert pirates.is_suspended
    assert seats(pirates) == [("Alice", "admin"), ("Bob", "member")]
    assert client_of(charlie).get(f"/api/v1/cooperatives/{pirates.pk}").status_code == 404
    assert client_of(bob).get(f"/api/v1/cooperatives/{pirates.pk}").json()["is_active"] is False
    with pytest.raises(CooperativeInactive):
        services.join_cooperative(user=charlie, invite_code=pirates.invite_code)
    news = ("coop_seat_changed", "Pirates has been suspended by our staff. You keep your seat and may leave.")
    assert (told(alice), told(bob)) == ([news], [news])
    assert audited() == [("mona", "suspend_cooperative", "Pirates", REASON)]


def test_the_suspended_may_leave(mona, pirates, alice, bob):
    moderation.suspend_cooperative(staff=mona, reason=REASON, cooperative_id=pirates.pk)

    services.leave_cooperative(user=alice)

    pirates.refresh_from_db()
    assert (pirates.is_suspended, pirates.owner_id, seats(pirates)) == (True, bob.pk, [("Bob", "admin")])


def test_a_restored_cooperative_is_public_again(mona, pirates, alice, charlie):
    moderation.suspend_cooperative(staff=mona, reason=REASON, cooperative_id=pirates.pk)
    moderation.restore_cooperative(staff=mona, reason="A mistake.", cooperative_id=pirates.pk)

    assert client_of(charlie).get(f"/api/v1/cooperatives/{pirates.pk}").status_code == 200
    assert told(alice)[1:] == [("coop_seat_changed", "Pirates is active again.")]
    assert audited()[1:] == [("mona", "restore_cooperative", "Pirates", "A mistake.")]


def test_staff_dissolve_with_members_inside(mona, pirates, alice, bob):
    moderation.dissolve_cooperative(staff=mona, reason=REASON, cooperative_id=pirates.pk)

    pirates.refresh_from_db()
    assert (pirates.is_active, pirates.member_count, seats(pirates)) == (False, 0, [])
    news = ("coop_seat_changed", "Pirates has been dissolved by our staff, and your seat with it.")
    assert (told(alice), told(bob)) == ([news], [news])
    entry = AuditEntry.objects.get()
    assert entry.details == {"member_ids": [str(alice.pk), str(bob.pk)]}
    make_cooperative(alice, bob)


def test_a_new_name_is_told_with_the_old_one(mona, pirates, alice, bob):
    moderation.rename_cooperative(staff=mona, reason=REASON, cooperative_id=pirates.pk, name="Sailors")

    pirates.refresh_from_db()
    assert pirates.name == "Sailors"
    news = ("coop_activity", "Pirates has been renamed by our staff and is now called Sailors.")
    assert (told(alice), told(bob)) == ([news], [news])
    entry = AuditEntry.objects.get()
    assert (entry.target_name, entry.details) == ("Sailors", {"old_name": "Pirates", "new_name": "Sailors"})


def test_a_new_code_kills_the_old_one_and_is_written_nowhere_else(mona, pirates, alice, charlie):
    old_code = pirates.invite_code

    moderation.regenerate_invite_code(staff=mona, reason=REASON, cooperative_id=pirates.pk)

    pirates.refresh_from_db()
    assert pirates.invite_code != old_code
    assert told(alice) == [("coop_activity", "Pirates has a new invite code; the old one no longer works.")]
    assert AuditEntry.objects.get().details == {}
    services.join_cooperative(user=charlie, invite_code=pirates.invite_code)


def test_a_member_is_removed(mona, pirates, alice, bob):
    moderation.remove_member(staff=mona, reason=REASON, cooperative_id=pirates.pk, user_id=bob.pk)

    assert seats(pirates) == [("Alice", "admin")]
    assert (told(alice), told(bob)) == ([], [("coop_removed", "You were removed from Pirates.")])
    assert AuditEntry.objects.get().details == {"member_id": str(bob.pk), "member": "Bob"}


def test_the_admin_is_removed_and_succeeded(mona, pirates, alice, bob):
    moderation.remove_member(staff=mona, reason=REASON, cooperative_id=pirates.pk, user_id=alice.pk)

    pirates.refresh_from_db()
    assert (pirates.owner_id, seats(pirates)) == (bob.pk, [("Bob", "admin")])
    assert told(alice) == [("coop_removed", "You were removed from Pirates.")]
    assert told(bob) == [("coop_seat_changed", "You are now the admin of Pirates.")]


def test_ownership_goes_over_and_back(mona, pirates, alice, bob):
    moderation.hand_over(staff=mona, reason=REASON, cooperative_id=pirates.pk, user_id=bob.pk)

    pirates.refresh_from_db()
    assert (pirates.owner_id, seats(pirates)) == (bob.pk, [("Alice", "member"), ("Bob", "admin")])
    mine = ("coop_seat_changed", "You are now the admin of Pirates.")
    not_mine = ("coop_seat_changed", "Pirates has been handed over: you are now a member of it.")
    assert (told(alice), told(bob)) == ([not_mine], [mine])

    moderation.hand_over(staff=mona, reason="Back.", cooperative_id=pirates.pk, user_id=alice.pk)

    pirates.refresh_from_db()
    assert pirates.owner_id == alice.pk
    assert (told(alice), told(bob)) == ([not_mine, mine], [mine, not_mine])


def test_refusals_change_nothing(mona, pirates, alice, charlie):
    suspended = make_cooperative(charlie, name="Smugglers")
    moderation.suspend_cooperative(staff=mona, reason=REASON, cooperative_id=suspended.pk)
    dissolved = make_cooperative(make_user("Dora"), name="Ghosts")
    moderation.dissolve_cooperative(staff=mona, reason=REASON, cooperative_id=dissolved.pk)
    alike = {"staff": mona, "reason": REASON}
    refusals = [
        (CooperativeAlreadySuspended, moderation.suspend_cooperative, {"cooperative_id": suspended.pk}),
        (CooperativeNotSuspended, moderation.restore_cooperative, {"cooperative_id": pirates.pk}),
        (NameTaken, moderation.rename_cooperative, {"cooperative_id": pirates.pk, "name": "sMUGGLERS"}),
        (NameUnchanged, moderation.rename_cooperative, {"cooperative_id": pirates.pk, "name": "Pirates"}),
        (MemberNotFound, moderation.remove_member, {"cooperative_id": pirates.pk, "user_id": charlie.pk}),
        (MemberNotFound, moderation.hand_over, {"cooperative_id": pirates.pk, "user_id": charlie.pk}),
        (AlreadyCooperativeAdmin, moderation.hand_over, {"cooperative_id": pirates.pk, "user_id": alice.pk}),
        (CooperativeDissolved, moderation.suspend_cooperative, {"cooperative_id": dissolved.pk}),
        (CooperativeDissolved, moderation.restore_cooperative, {"cooperative_id": dissolved.pk}),
        (CooperativeDissolved, moderation.dissolve_cooperative, {"cooperative_id": dissolved.pk}),
        (CooperativeDissolved, moderation.regenerate_invite_code, {"cooperative_id": dissolved.pk}),
        (CooperativeNotFound, moderation.dissolve_cooperative, {"cooperative_id": 0}),
        (AccountNotFound, accounts.suspend_user, {"user_id": 0}),
        (AccountNotSuspended, accounts.restore_user, {"user_id": alice.pk}),
        (OwnAccount, accounts.suspend_user, {"user_id": mona.pk}),
        (OwnAccount, accounts.delete_account, {"user_id": mona.pk}),
    ]
    before = state_of_everything()

    for error, service, arguments in refusals:
        with pytest.raises(error):
            service(**alike, **arguments)
        assert state_of_everything() == before, (error, service)


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "\u200b", "x" * 501])
def test_nothing_is_done_without_a_reason(mona, pirates, bob, reason):
    before = state_of_everything()
    target = {"cooperative_id": pirates.pk}
    calls = [
        partial(moderation.suspend_cooperative, **target),
        partial(moderation.dissolve_cooperative, **target),
        partial(moderation.rename_cooperative, **target, name="Sailors"),
        partial(moderation.remove_member, **target, user_id=bob.pk),
        partial(accounts.suspend_user, user_id=bob.pk),
        partial(accounts.delete_account, user_id=bob.pk),
    ]
    for call in calls:
        with pytest.raises(ReasonMissing):
            call(staff=mona, reason=reason)
    assert state_of_everything() == before


def test_a_suspended_user_leaves_and_is_shut_out(
    mona, pirates, alice, bob, django_capture_on_commit_callbacks, disconnected
):
    token_holder = client_of(alice)
    RefreshToken.objects.create(
        jti="00000000-0000-0000-0000-000000000001",
        family="00000000-0000-0000-0000-000000000002",
        user=alice,
        expires_at="2100-01-01T00:00Z",
    )

    with django_capture_on_commit_callbacks(execute=True):
        accounts.suspend_user(staff=mona, reason=REASON, user_id=alice.pk)

    pirates.refresh_from_db()
    assert (pirates.owner_id, seats(pirates)) == (bob.pk, [("Bob", "admin")])
    assert not RefreshToken.objects.exists()
    answer = token_holder.get("/api/v1/users/me")
    assert (answer.status_code, answer.json()["code"]) == (403, "account_suspended")
    assert disconnected() == [{"type": "session.ended", "user_id": alice.pk}]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target_id, entry.target_name) == ("suspend_user", alice.pk, "Alice")
    assert entry.details == {"left_cooperative_id": str(pirates.pk), "left_cooperative": "Pirates"}
    with pytest.raises(AccountAlreadySuspended):
        accounts.suspend_user(staff=mona, reason=REASON, user_id=alice.pk)


@pytest.fixture
def disconnected():
    """Reads the messages that the processes with sockets got, in order."""
    from channels.layers import get_channel_layer

    from bitcoingame.core.redis import request_redis

    with request_redis().run(lambda client: client).pubsub() as channel:
        channel.subscribe("social__group__sockets")
        channel.get_message(timeout=5)

        def read():
            messages = iter(lambda: channel.get_message(timeout=0.2), None)
            return [get_channel_layer().deserialize(message["data"]) for message in messages]

        yield read


def test_a_restored_user_is_let_in_again(mona, alice):
    accounts.suspend_user(staff=mona, reason=REASON, user_id=alice.pk)
    accounts.restore_user(staff=mona, reason="Apologised.", user_id=alice.pk)

    assert client_of(alice).get("/api/v1/users/me").status_code == 200
    assert [entry[1] for entry in audited()] == ["suspend_user", "restore_user"]


def test_a_deleted_account_leaves_and_takes_what_it_founded(mona, alice, bob):
    gone = make_cooperative(alice, name="Ghosts")
    services.leave_cooperative(user=alice)
    pirates = make_cooperative(alice, bob, name="Pirates")

    accounts.delete_account(staff=mona, reason=REASON, user_id=alice.pk)

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    pirates.refresh_from_db()
    assert (pirates.owner_id, pirates.member_count) == (bob.pk, 1)
    assert not Cooperative.objects.filter(pk=gone.pk).exists()
    assert not User.objects.filter(pk=alice.pk).exists()
    assert audited() == [("mona", "delete_account", "Alice", REASON)]


def test_moderators_have_no_hand_on_staff_and_superusers_do(mona):
    ada, otto = User.objects.create_superuser("ada"), User.objects.create_staff("otto")
    before = state_of_everything()
    for service in (accounts.suspend_user, accounts.restore_user, accounts.delete_account):
        for other in (ada, otto):
            with pytest.raises(AccountOfStaff):
                service(staff=mona, reason=REASON, user_id=other.pk)
    assert state_of_everything() == before

    accounts.suspend_user(staff=ada, reason=REASON, user_id=otto.pk)

    otto.refresh_from_db()
    assert not otto.is_active


def test_staff_ids_count_down_and_never_meet_the_platforms(mona, alice):
    otto = User.objects.create_staff("otto")

    assert mona.pk < 0
    assert otto.pk == mona.pk - 1
    assert alice.pk > 0


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entries SET reason = 'other'", "DELETE FROM audit_entries WHERE id = id"]
)
def test_the_database_keeps_audit_entries_as_they_are(mona, pirates, statement):
    moderation.suspend_cooperative(staff=mona, reason=REASON, cooperative_id=pirates.pk)

    with pytest.raises(IntegrityError, match="audit entries are kept"), transaction.atomic():
        connection.cursor().execute(statement)

    assert audited() == [("mona", "suspend_cooperative", "Pirates", REASON)]


@pytest.mark.django_db(transaction=True)
def test_a_suspension_and_a_joining_at_once_leave_no_suspended_member(at_once):
    mona, admin = User.objects.create_staff("mona"), make_user()
    cooperative, people = make_cooperative(admin), [make_user() for _ in range(5)]

    results = at_once(
        [partial(services.join_cooperative, user=person, invite_code=cooperative.invite_code) for person in people]
        + [partial(accounts.suspend_user, staff=mona, reason=REASON, user_id=person.pk) for person in people]
    )

    assert all(result is None or isinstance(result, Cooperative | DomainError) for result in results), results
    assert not CooperativeMember.objects.filter(user__is_active=False).exists()
    cooperative.refresh_from_db()
    assert cooperative.member_count == 1


@pytest.mark.django_db(transaction=True)
def test_two_staff_and_a_leaving_admin_at_once_leave_one_admin(at_once):
    mona, people = User.objects.create_staff("mona"), [make_user() for _ in range(6)]
    cooperative = make_cooperative(*people)
    alike = {"staff": mona, "reason": REASON, "cooperative_id": cooperative.pk}

    results = at_once(
        [
            partial(moderation.hand_over, **alike, user_id=people[1].pk),
            partial(moderation.remove_member, **alike, user_id=people[1].pk),
            partial(moderation.hand_over, **alike, user_id=people[2].pk),
            partial(services.leave_cooperative, user=people[0]),
            partial(accounts.delete_account, staff=mona, reason=REASON, user_id=people[3].pk),
        ]
    )

    assert all(result is None or isinstance(result, Cooperative | DomainError) for result in results), results
    cooperative.refresh_from_db()
    assert cooperative.member_count == 3
    assert list(cooperative.members.filter(role="admin").values_list("user_id", flat=True)) == [cooperative.owner_id]
