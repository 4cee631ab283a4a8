"""A small pool for demonstrations: its miners write to the streams as the platform's collector does.

A share of assigned difficulty d reaches x or more with probability d/x, as real ones do; so notable shares, bests and
blocks come about by themselves, only the last are helped along, for at a demo's rate nobody would live to see one.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import orjson
from redis import Redis
from redis.exceptions import RedisError

from bitcoingame.events.streams import connect
from profiles.models import User

MAX_MINERS = 10_000
STREAM_LENGTH = 100_000
"""About how many entries each stream keeps, whether anybody reads them or not."""

ASSIGNED = (256, 512, 1024, 2048, 4096)
MODELS = ("bitaxe", "nerdaxe", "nerdminer", "avalon")
HASHES_PER_DIFFICULTY = 2**32
TICK_SECONDS = 0.25
MAX_PER_TICK = 5_000
PAUSE_SECONDS = 1.0

# Besides shares: one event of each of these sorts in so many shares.
CONNECTION_EVERY = 150
HASHRATE_EVERY = 40
GAME_EVERY = 120
LEVEL_EVERY = 400
BADGE_EVERY = 500
BLOCK_EVERY = 20_000

BADGES = (
    ("first_share", "First Share", 50),
    ("night_owl", "Night Owl", 100),
    ("diff_1m", "Million Club", 250),
    ("streak_4", "Four Weeks Strong", 200),
    ("lucky_seven", "Lucky Seven", 77),
)
LEVEL_TITLES = ("Nonce Newcomer", "Hash Apprentice", "Share Smith", "Difficulty Diver", "Block Hunter", "Chain Master")
GAMES = ("hash-roulette", "nonce-guess", "block-race")


@dataclass
class Miner:
    """One machine; `best` is its owner's best of all time as far as the simulator knows."""

    user: str
    worker: str
    assigned: int
    is_online: bool = False
    best: float = 0.0


@dataclass
class Pool:
    """The simulated pool; draws everything from `chance`, so that a seed repeats a run."""

    miners: list[Miner]
    chance: random.Random
    height: int = 900_000
    levels: dict[str, int] = field(default_factory=dict)
    events: int = 0

    def share(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """What one submitted share brings about, as (stream, event, data)."""
        miner = self.chance.choice(self.miners)
        who = {"user": miner.user, "worker": f"{miner.user}.{miner.worker}"}
        if not miner.is_online:
            miner.is_online = True
            yield "mining:miner_connected", "miner_connected", {**who, "useragent": miner.worker.partition("-")[0]}
        sdiff = miner.assigned / (1 - self.chance.random())
        accepted = self.chance.random() > 0.005
        yield (
            "mining:share_submitted",
            "share_submitted",
            {**who, "diff": miner.assigned, "sdiff": round(sdiff, 3), "accepted": accepted},
        )
        if accepted and sdiff > miner.best:
            best = {**who, "new_best": round(sdiff, 3), "prev_best": miner.best, "timeframe": "alltime"}
            miner.best = sdiff
            yield "mining:share_best_diff", "share_best_diff", best
        yield from self._happenings(miner, who)

    def _happenings(self, miner: Miner, who: dict[str, str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
        if self._happens(CONNECTION_EVERY):
            miner.is_online = False
            yield "mining:miner_disconnected", "miner_disconnected", who
        if self._happens(HASHRATE_EVERY):
            rate = miner.assigned * HASHES_PER_DIFFICULTY / 10 * self.chance.uniform(0.9, 1.1)
            rates = {f"hashrate_{span}": round(rate) for span in ("1m", "5m", "1d")}
            yield "mining:hashrate_update", "hashrate_update", {**who, **rates, "hashrate_1h": f"{rate / 1e9:.3f}G"}
        if self._happens(BLOCK_EVERY):
            self.height += 1
            block = {"height": self.height, "hash": f"{self.chance.getrandbits(180):064x}", "reward_sats": 312_500_000}
            yield "mining:block_found", "block_found", {**who, **block}
        yield from self._game(miner)

    def _game(self, miner: Miner) -> Iterator[tuple[str, str, dict[str, Any]]]:
        user = {"user": miner.user}
        if self._happens(BADGE_EVERY):
            slug, name, xp = self.chance.choice(BADGES)
            yield (
                "platform:events",
                "badge_earned",
                {**user, "badge_slug": slug, "badge_name": name, "xp_reward": xp, "description": name},
            )
        if self._happens(LEVEL_EVERY):
            level = self.levels[miner.user] = self.levels.get(miner.user, 1) + 1
            title = LEVEL_TITLES[min(level, len(LEVEL_TITLES)) - 1]
            yield "platform:events", "level_up", {**user, "old_level": level - 1, "new_level": level, "title": title}
        if self._happens(GAME_EVERY):
            yield "platform:events", "game_played", {**user, "game_type": self.chance.choice(GAMES)}

    def _happens(self, one_in: int) -> bool:
        return self.chance.random() * one_in < 1


def make_pool(*, seed: int | None = None) -> Pool:
    """One to three machines for each of the users there are, the oldest accounts first; none when there are none."""
    chance = random.Random(seed)  # noqa: S311 - a demonstration
    users = User.objects.filter(is_active=True, btc_address__isnull=False).order_by("id")
    known = users.values_list("btc_address", "game_state__best_difficulty", "game_state__level")
    levels: dict[str, int] = {}
    miners: list[Miner] = []
    for address, best, level in known[: MAX_MINERS // 3]:
        assert address is not None
        levels[address] = level
        miners.extend(
            Miner(address, f"{chance.choice(MODELS)}-{number}", chance.choice(ASSIGNED), best=best)
            for number in range(1, chance.randint(1, 3) + 1)
        )
    return Pool(miners, chance, levels=levels)


def simulate(*, url: str, rate: float, stopping: Event, seed: int | None = None) -> int:
    """Writes `rate` shares a second, and what they bring about, until `stopping`; returns how many events.

    While Redis is away it waits, and goes on with what is then the present.
    """
    pool = make_pool(seed=seed)
    while not pool.miners and not stopping.wait(PAUSE_SECONDS):
        pool = make_pool(seed=seed)
    client = connect(url)
    due, last = 0.0, time.monotonic()
    while not stopping.wait(TICK_SECONDS):
        now = time.monotonic()
        due = min(due + (now - last) * rate, MAX_PER_TICK)
        last = now
        try:
            _write(client, pool, int(due))
        except (RedisError, OSError):
            stopping.wait(PAUSE_SECONDS)
        due -= int(due)
    client.close()
    return pool.events


def _write(client: Redis, pool: Pool, shares: int) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for _ in range(shares):
            for stream, event, data in pool.share():
                pool.events += 1
                fields: dict[Any, Any] = {
                    "event": event,
                    "ts": f"{time.time():.3f}",
                    "source": "simulator",
                    "data": orjson.dumps(data),
                }
                if stream == "platform:events":
                    fields["event_id"] = f"simulator-{time.time_ns()}-{pool.events}"
                pipeline.xadd(stream, fields, maxlen=STREAM_LENGTH, approximate=True)
        pipeline.execute()
