"""Refusals as exceptions: one class for each fact, with its HTTP status, its code and its sentence."""

from collections.abc import Mapping, Sequence


class DomainError(Exception):
    """A refusal. `detail` is one sentence for a person, `code` one token for a program."""

    status = 400
    code = "refused"
    detail = "This cannot be done."

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.detail
        super().__init__(self.detail)


class InvalidInput(DomainError):
    """Bad input; `errors` names each field and what is wrong with it."""

    code = "invalid_input"
    detail = "The input is not valid."

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors = {field: list(sentences) for field, sentences in errors.items()}
        super().__init__(next((sentences[0] for sentences in self.errors.values() if sentences), None))


class NotSignedIn(DomainError):
    status = 401
    code = "not_signed_in"
    detail = "Sign in first."


class NotAllowed(DomainError):
    status = 403
    code = "not_allowed"
    detail = "You may not do this."


class NotFound(DomainError):
    """The thing is not there, or the caller may not see it: both get the same answer."""

    status = 404
    code = "not_found"
    detail = "Not found."


class TooManyAttempts(DomainError):
    """A limit is used up; `retry_after` is in seconds."""

    status = 429
    code = "too_many_attempts"
    detail = "Too many attempts. Try again later."

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__()
