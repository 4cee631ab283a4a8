"""What a user is called and how an address is written. Each rule stands here once, as Python and as SQL."""

_PREFIX = "Miner-"
_LENGTH = 8

SHOWN_NAME = f"coalesce(nullif(display_name, ''), '{_PREFIX}' || left(btc_address, {_LENGTH}))"
"""`shown_name` in SQL, over a row of `users` that has an address."""


def shown_name(display_name: str | None, btc_address: str | None) -> str:
    """The name by which pages call a user: the chosen name, or `Miner-` and the start of the address.

    Empty if the user has neither.
    """
    return display_name or (f"{_PREFIX}{btc_address[:_LENGTH]}" if btc_address else "")


def as_stored(address: str) -> str:
    """The one spelling of an address, or of its beginning: bech32 in small letters, Base58 as it is.

    A bech32 address may come in capitals, as QR codes have it. The text is not checked: it need not be an address.
    """
    return address.lower() if address[:3].lower() == "bc1" else address
