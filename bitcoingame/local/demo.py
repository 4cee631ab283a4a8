"""Demo data: a few dozen miners, a full cooperative, small ones and private people, so that no page is empty."""

from datetime import timedelta
from random import Random

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import get_random_string

from bitcoingame.local.wallet import Wallet
from profiles.models import DailyShares, EarnedBadge, GameState, NotificationPreferences, User, Worker
from social.services import create_cooperative, join_cooperative
from social.statistics import update_cooperative_stats

COOPERATIVES = [
    ("Hash Pirates", "All hands on hash", 20),
    ("Bitaxe Berlin", "Small machines, big luck", 9),
    ("Nonce Sense", "Four billion tries a time", 7),
    ("Solo Together", None, 5),
    ("Difficulty Dwellers", "We like it hard", 3),
    ("Lone Satoshi", None, 1),
]
LONERS = 6
NAMES = (
    "Ada Bo Cem Dora Emil Fay Gus Hana Ivo Juno Kai Lea Milo Nia Otto Pia Qi Rosa Sven Tara Ugo Vera Wim Xena Yuri Zoe"
)
COUNTRIES = ["DE", "US", "BR", "JP", "NG", "IN", "FR", "AR", "KE", None]
BADGES = [("first_share", "First Share"), ("night_owl", "Night Owl"), ("week_streak", "Week Streak")]
TITLES = ["Hash Novice", "Hash Apprentice", "Block Hunter", "Difficulty Master"]


def load_demo() -> str | None:
    """Fills an empty database and returns the password of the staff account `admin`; None if there are users."""
    if User.objects.exists():
        return None
    password = get_random_string(20)
    with transaction.atomic():
        User.objects.create_superuser("admin", password)
        seat_miners(make_miners(Random(21)))  # noqa: S311 - the same demo each time
    update_cooperative_stats(now=timezone.now())
    return password


def make_miners(random: Random) -> list[User]:
    """Creates some 50 miners, each with machines, days of shares and a game state. Every eighth of them is private."""
    count = LONERS + sum(size for _, _, size in COOPERATIVES)
    names = NAMES.split()
    users = User.objects.bulk_create(
        User(
            btc_address=Wallet.of(f"demo miner {number}").address("p2tr" if number % 5 == 0 else "p2wpkh"),
            display_name=names[number] if number < len(names) else None,
            country_code=random.choice(COUNTRIES),
            public_profile=number % 8 != 7,
        )
        for number in range(count)
    )
    now = timezone.now()
    for user in users:
        strength = random.lognormvariate(0, 1)
        _give_machines(user, strength, random)
        _give_history(user, strength, random)
    User.objects.update(created_at=now - timedelta(days=90))
    NotificationPreferences.objects.update(coop_activity=True)
    return users


def seat_miners(users: list[User]) -> None:
    people = iter(users)
    for name, motto, size in COOPERATIVES:
        cooperative = create_cooperative(user=next(people), name=name, motto=motto)
        for _ in range(size - 1):
            join_cooperative(user=next(people), invite_code=cooperative.invite_code)


def _give_machines(user: User, strength: float, random: Random) -> None:
    now = timezone.now()
    Worker.objects.bulk_create(
        Worker(
            user=user,
            name=f"bitaxe-{number}",
            is_online=random.random() < 0.8,
            last_share_at=now - timedelta(seconds=random.randrange(600)),
            hashrate_1h=strength * random.uniform(0.5e12, 1.2e12),
            best_difficulty=1000 / random.uniform(1e-6, 1e-3),
            assigned_difficulty=1000,
        )
        for number in range(1, random.randrange(2, 5))
    )


def _give_history(user: User, strength: float, random: Random) -> None:
    """Two weeks of shares of difficulty 1,000; the best of n such shares is about n times as difficult as one."""
    today = timezone.now().date()
    days = [
        DailyShares(
            user=user,
            day=today - timedelta(days=age),
            shares=(shares := max(1, int(strength * random.uniform(500, 3000)))),
            best_difficulty=1000 * shares / random.uniform(0.1, 3),
        )
        for age in range(14)
    ]
    DailyShares.objects.bulk_create(days)
    badges = BADGES[: random.randrange(len(BADGES) + 1)]
    EarnedBadge.objects.bulk_create(EarnedBadge(user=user, slug=slug, name=name) for slug, name in badges)
    level = random.randrange(1, 20)
    GameState.objects.filter(user=user).update(
        level=level,
        level_title=TITLES[level * len(TITLES) // 20],
        xp=level * 100,
        badges_earned=len(badges),
        best_difficulty=max(day.best_difficulty for day in days),
        total_shares=sum(day.shares for day in days),
        current_streak=random.randrange(1, 12),
    )
