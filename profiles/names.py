"""What a user is called and how an address is written: each rule once, as Python and as SQL over `users`."""

_PREFIX = "Miner-"
_LENGTH = 8

SHOWN_NAME = f"coalesce(display_name, '{_PREFIX}' || left(btc_address, {_LENGTH}))"
"""`shown_name` of a user with an address, in SQL."""


def shown_name(display_name: str | None, btc_address: str | None) -> str:
    """What pages call a user: the chosen name, else `Miner-` and the start of the address. Empty without either."""
    return display_name or (f"{_PREFIX}{btc_address[:_LENGTH]}" if btc_address else "")


def as_stored(address: str) -> str:
    """The one spelling of an address, or of its beginning: bech32 in small letters, Base58 as it is.

    A bech32 address may come in capitals, as QR codes have it. Whether it is an address at all is not checked.
    """
    return address.lower() if address[:3].lower() == "bc1" else address
