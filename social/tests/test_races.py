"""What must hold when people act at the same moment: real threads, real commits."""

from functools import partial
from threading import Event

import pytest
from django.db import connection, transaction

from bitcoingame.local.wallet import Wallet
from bitcoingame.staff.accounts import suspend_user
from conftest import make_cooperative, make_user
from profiles.models import RefreshToken, User
from profiles.sign_in import sessions
from social import services
from social.errors import AlreadyMember, CooperativeFull, MemberNotFound, NameTaken, NotAMember
from social.models import Cooperative, CooperativeMember, UserActivity

pytestmark = pytest.mark.django_db(transaction=True)


def assert_whole(cooperative):
    """Asserts that the cooperative's count, owner, admin and activity agree with the rows of its members."""
    cooperative.refresh_from_db()
    members = list(cooperative.members.all())
    assert cooperative.member_count == len(members)
    assert cooperative.is_active == bool(members)
    assert [m.user_id for m in members if m.is_admin] == ([cooperative.owner_id] if members else [])


def kinds(results):
    return sorted(type(result).__name__ for result in results)


def test_forty_join_for_the_last_seat(at_once):
    cooperative = make_cooperative(make_user(), *[make_user() for _ in range(18)])
    people = [make_user() for _ in range(40)]

    results = at_once(
        [partial(services.join_cooperative, user=person, invite_code=cooperative.invite_code) for person in people]
    )

    assert kinds(results) == ["Cooperative"] + [CooperativeFull.__name__] * 39
    assert cooperative.members.count() == 20
    assert UserActivity.objects.filter(activity_type="coop_joined", user__in=people).count() == 1
    assert_whole(cooperative)


def test_one_person_joins_six_at_once(at_once):
    cooperatives = [make_cooperative(make_user()) for _ in range(6)]
    person = make_user()

    results = at_once(
        [partial(services.join_cooperative, user=person, invite_code=c.invite_code) for c in cooperatives]
    )

    assert kinds(results) == [AlreadyMember.__name__] * 5 + ["Cooperative"]
    assert CooperativeMember.objects.filter(user=person).count() == 1
    for cooperative in cooperatives:
        assert_whole(cooperative)


def test_one_person_founds_and_joins_at_once(at_once):
    other = make_cooperative(make_user())
    person = make_user()

    results = at_once(
        [partial(services.create_cooperative, user=person, name=f"Founded {n}") for n in range(3)]
        + [partial(services.join_cooperative, user=person, invite_code=other.invite_code)] * 3
    )

    assert kinds(results) == [AlreadyMember.__name__] * 5 + ["Cooperative"]
    assert CooperativeMember.objects.filter(user=person).count() == 1


def test_ten_found_under_one_name(at_once):
    results = at_once([partial(services.create_cooperative, user=make_user(), name="Unique") for _ in range(10)])

    assert kinds(results) == ["Cooperative"] + [NameTaken.__name__] * 9
    assert_whole(Cooperative.objects.get())


def test_all_ten_leave_at_once(at_once):
    people = [make_user() for _ in range(10)]
    cooperative = make_cooperative(*people)

    results = at_once([partial(services.leave_cooperative, user=person) for person in people])

    assert kinds(results) == ["Cooperative"] * 10
    cooperative.refresh_from_db()
    assert (cooperative.is_active, cooperative.member_count) == (False, 0)
    assert not CooperativeMember.objects.exists()


def test_admin_leaves_while_others_join_and_leave(at_once):
    for _ in range(5):
        admin, leaver = make_user(), make_user()
        cooperative = make_cooperative(admin, leaver)

        results = at_once(
            [partial(services.leave_cooperative, user=admin), partial(services.leave_cooperative, user=leaver)]
            + [
                partial(services.join_cooperative, user=make_user(), invite_code=cooperative.invite_code)
                for _ in range(4)
            ]
        )

        assert not [r for r in results[:2] if isinstance(r, Exception)]
        assert {type(r).__name__ for r in results[2:]} <= {"Cooperative", "CooperativeInactive"}
        assert_whole(cooperative)


def test_one_removal_succeeds_once(at_once):
    admin, member = make_user(), make_user()
    cooperative = make_cooperative(admin, member)
    removal = partial(services.remove_member, actor=admin, cooperative_id=cooperative.pk, user_id=member.pk)

    results = at_once([removal] * 8)

    assert kinds(results) == [MemberNotFound.__name__] * 7 + ["NoneType"]
    assert_whole(cooperative)


def test_one_leaves_while_being_removed(at_once):
    for _ in range(5):
        admin, member = make_user(), make_user()
        cooperative = make_cooperative(admin, member)

        results = at_once(
            [
                partial(services.remove_member, actor=admin, cooperative_id=cooperative.pk, user_id=member.pk),
                partial(services.leave_cooperative, user=member),
            ]
        )

        refused = [r for r in results if isinstance(r, Exception)]
        assert len(refused) == 1
        assert isinstance(refused[0], MemberNotFound | NotAMember)
        assert_whole(cooperative)


def test_a_former_admins_removal_does_not_count(at_once):
    """The admin is checked under the lock: a user who has handed over removes nobody."""
    for _ in range(5):
        admin, heir, member = make_user(), make_user(), make_user()
        cooperative = make_cooperative(admin, heir, member)

        removed, left = at_once(
            [
                partial(services.remove_member, actor=admin, cooperative_id=cooperative.pk, user_id=member.pk),
                partial(services.leave_cooperative, user=admin),
            ]
        )

        assert not isinstance(left, Exception)
        assert cooperative.members.count() == (2 if isinstance(removed, Exception) else 1)
        assert_whole(cooperative)


def test_raw_inserts_for_the_last_seat_are_refused_by_the_database(at_once):
    cooperative = make_cooperative(make_user(), *[make_user() for _ in range(18)])

    results = at_once(
        [
            partial(CooperativeMember.objects.create, cooperative=cooperative, user=person)
            for person in [make_user() for _ in range(10)]
        ]
    )

    assert kinds(results) == ["CooperativeMember"] + ["IntegrityError"] * 9
    assert_whole(cooperative)


def test_a_script_that_locks_nobody_gets_ahead_of_a_join(at_once):
    bob = make_user()
    one, other = make_cooperative(make_user()), make_cooperative(make_user())
    has_inserted = Event()

    def insert():
        with transaction.atomic():
            CooperativeMember.objects.create(cooperative=one, user=bob)
            has_inserted.set()
            assert any(somebody_waits() for _ in range(1000))

    def join():
        has_inserted.wait(timeout=30)
        services.join_cooperative(user=bob, invite_code=other.invite_code)

    assert kinds(at_once([insert, join])) == [AlreadyMember.__name__, "NoneType"]
    assert CooperativeMember.objects.get(user=bob).cooperative == one
    assert_whole(one)
    assert_whole(other)


def somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.01), EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return cursor.fetchone()[1]


def test_no_session_outlives_a_suspension_it_crossed(at_once):
    wallet = Wallet.of("Alice")
    user = make_user(btc_address=wallet.address())
    challenges = [sessions.create_challenge(btc_address=wallet.address()) for _ in range(10)]
    signed = [(challenge.nonce, wallet.sign(challenge.message)) for challenge in challenges]
    suspend = partial(suspend_user, staff=User.objects.create_superuser("ada"), reason="Because.", user_id=user.pk)

    at_once(
        [suspend]
        + [
            partial(sessions.verify_challenge, btc_address=wallet.address(), signature=signature, nonce=nonce)
            for nonce, signature in signed
        ]
    )

    assert not User.objects.get(pk=user.pk).is_active
    assert not RefreshToken.objects.exists()
