"""The demo data obeys the rules of real data, and is loaded once."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from profiles.models import GameState, User
from social.models import Cooperative

pytestmark = pytest.mark.django_db(transaction=True)


def load():
    said = StringIO()
    call_command("load_demo", stdout=said)
    return said.getvalue()


def test_a_newcomers_demo():
    said = load()

    assert User.objects.get(username="admin", is_staff=True).check_password(said.split()[-1])
    assert sorted(Cooperative.objects.values_list("member_count", flat=True)) == [1, 3, 5, 7, 9, 20]
    assert User.objects.filter(btc_address__isnull=False).count() == 51
    assert User.objects.filter(public_profile=False).count() == 6
    assert sorted(Cooperative.objects.values_list("weekly_rank", flat=True)) == [1, 2, 3, 4, 5, 6]
    assert not Cooperative.objects.filter(combined_hashrate=0).exists()
    assert not GameState.objects.exclude(user__is_staff=True).filter(total_shares=0).exists()


def test_it_is_loaded_once():
    load()
    before = User.objects.count()

    assert load() == ""
    assert User.objects.count() == before


def test_it_is_for_development(settings):
    settings.DEVELOPMENT = False

    with pytest.raises(CommandError):
        load()
    assert not User.objects.exists()
