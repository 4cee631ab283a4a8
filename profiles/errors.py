"""What sign-in and profiles refuse."""

from bitcoingame.core.errors import DomainError, NotAllowed, NotFound, NotSignedIn


class InvalidAddress(DomainError):
    code = "invalid_address"
    detail = "This is not a Bitcoin mainnet address."


class UnsupportedAddress(DomainError):
    code = "unsupported_address"
    detail = "Addresses of this kind cannot sign in. Use a P2PKH, P2SH-P2WPKH, P2WPKH or P2TR address."


class InvalidToken(NotSignedIn):
    code = "invalid_token"
    detail = "The token is not valid. Sign in again."


class TokenExpired(InvalidToken):
    code = "token_expired"
    detail = "The token has expired."


class InvalidNonce(NotSignedIn):
    """The nonce is unknown, used, expired, or made for another address. The answer does not say which."""

    code = "invalid_nonce"
    detail = "This sign-in attempt is no longer valid. Start again."


class InvalidSignature(NotSignedIn):
    code = "invalid_signature"
    detail = "The signature does not match the message and the address."


class AccountSuspended(NotAllowed):
    code = "account_suspended"
    detail = "This account is suspended."


class SignInElsewhere(NotFound):
    """This service holds no private key: it only verifies tokens that the platform issued."""

    code = "sign_in_elsewhere"
    detail = "Sign-in is not offered here. Sign in with the platform."


class WorkerNotFound(NotFound):
    code = "worker_not_found"
    detail = "You have no such worker."


class ReasonMissing(DomainError):
    """Every action of staff needs a reason, which is one line of text."""

    code = "reason_missing"
    detail = "Give a reason."


class AccountNotFound(NotFound):
    code = "account_not_found"
    detail = "There is no such account."


class AccountAlreadySuspended(DomainError):
    code = "already_suspended"
    detail = "This account is suspended already."


class AccountNotSuspended(DomainError):
    code = "not_suspended"
    detail = "This account is not suspended."


class AccountOfStaff(NotAllowed):
    code = "account_of_staff"
    detail = "This is the account of a member of staff; only superusers act on it."


class OwnAccount(NotAllowed):
    code = "own_account"
    detail = "Nobody suspends or deletes their own account."
