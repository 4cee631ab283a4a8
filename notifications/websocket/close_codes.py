"""Why the server closes a socket, and what the client should do then: the one list of both.

Besides these the server library itself sends 1009 for a frame beyond what it reads at all, 1002 and 1007 for bytes
that are not the protocol (a client does as for 4400), and 1011 when nothing answers its pings (reconnect).
"""

from enum import IntEnum


class CloseCode(IntEnum):
    reason: str
    client_should: str

    def __new__(cls, value: int, reason: str, client_should: str) -> "CloseCode":
        code = int.__new__(cls, value)
        code._value_ = value
        code.reason = reason
        code.client_should = client_should
        return code

    SIGN_IN_AGAIN = 4001, "sign in again", "Get a fresh access token, then reconnect with since=<last seq>."
    TOO_MANY_SOCKETS = 4008, "too many sockets", "Close another tab or device first; do not reconnect by itself."
    TOO_SLOW = 4009, "too slow", "Reconnect with since=<last seq>: what was not delivered is replayed."
    TRY_LATER = 4010, "server restarting", "Reconnect with since=<last seq> after a random wait of 1 to 5 seconds."
    PROTOCOL_ABUSE = 4400, "protocol abuse", "Do not reconnect: frames of 4 KiB at most, 20 a second at most."
