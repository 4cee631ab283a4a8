from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from social.errors import NotCooperativeAdmin
from social.models import Cooperative


class IsCooperativeAdmin(BasePermission):
    """Allows only the cooperative's own admin. Raises NotCooperativeAdmin. The services check again, under the lock."""

    def has_object_permission(self, request: Request, view: Any, obj: Cooperative) -> bool:
        if obj.owner_id != request.user.pk:
            raise NotCooperativeAdmin
        return True
