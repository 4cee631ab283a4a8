"""The reasons why an action on a cooperative is refused."""

from bitcoingame.core.errors import DomainError, NotAllowed, NotFound


class AlreadyMember(DomainError):
    code = "already_member"
    detail = "You are already a member of a cooperative. Leave it first."


class NotAMember(DomainError):
    code = "not_a_member"
    detail = "You are not in a cooperative."


class NoCooperative(NotFound):
    code = "no_cooperative"
    detail = "You are not in a cooperative."


class ActivityNotFound(NotFound):
    code = "activity_not_found"
    detail = "There is no such entry in your history."


class CooperativeNotFound(NotFound):
    code = "cooperative_not_found"
    detail = "There is no such cooperative."


class CooperativeFull(DomainError):
    code = "cooperative_full"
    detail = "This cooperative is full."


class CooperativeInactive(DomainError):
    code = "cooperative_inactive"
    detail = "This cooperative is no longer active."


class CooperativeHasMembers(DomainError):
    code = "cooperative_has_members"
    detail = "A cooperative is dissolved only when no other member is left."


class InvalidInviteCode(DomainError):
    code = "invalid_invite_code"
    detail = "Invalid invite code."


class NameTaken(DomainError):
    code = "name_taken"
    detail = "A cooperative with this name already exists."


class NotCooperativeAdmin(NotAllowed):
    code = "not_cooperative_admin"
    detail = "Only cooperative admins can do this."


class UseLeaveEndpoint(DomainError):
    code = "use_leave_endpoint"
    detail = "You cannot remove yourself. Use the leave endpoint instead."


class MemberNotFound(NotFound):
    code = "member_not_found"
    detail = "This user is not a member of the cooperative."


class CooperativeDissolved(NotFound):
    code = "cooperative_dissolved"
    detail = "This cooperative has been dissolved."


class CooperativeAlreadySuspended(DomainError):
    code = "already_suspended"
    detail = "This cooperative is suspended already."


class CooperativeNotSuspended(DomainError):
    code = "not_suspended"
    detail = "This cooperative is not suspended."


class NameUnchanged(DomainError):
    code = "name_unchanged"
    detail = "This is the name it has already."


class AlreadyCooperativeAdmin(DomainError):
    code = "already_admin"
    detail = "This member is the admin already."
