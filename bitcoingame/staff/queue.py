"""The queue's own pages, for superusers."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django_rq.admin import QueueAdmin
from django_rq.models import Dashboard
from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError


def _superusers_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Refuses everybody else, and turns a job that is gone or a Redis that is down into a message instead of a 500."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not _is_superuser(request):
            raise PermissionDenied
        try:
            return view(request, *args, **kwargs)
        except (NoSuchJobError, ValueError, LookupError):
            messages.error(request, "There is no such job or worker any more.")
        except RedisError:
            messages.error(request, "Redis does not answer; the queue cannot be shown.")
        return HttpResponseRedirect(reverse("admin:index"))

    return guarded


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and getattr(request.user, "is_superuser", False))


admin.site.unregister(Dashboard)


@admin.register(Dashboard)
class BackgroundJobsAdmin(QueueAdmin):
    """The queue's own pages, all for superusers only, because the arguments of jobs may name people."""

    def get_urls(self) -> list[URLPattern]:
        """Leaves out the pages of a row, because this model has no table."""
        rows = {f"django_rq_dashboard_{page}" for page in ("add", "change", "delete", "history")}
        all_urls: list[URLPattern] = super().get_urls()  # type: ignore[no-untyped-call]  # django-rq's has no types
        urls = [url for url in all_urls if url.name and url.name not in rows]
        for url in urls:
            url.callback = self.admin_site.admin_view(_superusers_only(url.callback))
        return urls

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
