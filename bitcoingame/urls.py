"""The doors for HTTP."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from bitcoingame.core.api.refusals import error_response
from bitcoingame.core.errors import DomainError, NotAllowed, NotFound
from bitcoingame.metrics import metrics

urlpatterns = [
    path("api/v1/", include("profiles.urls")),
    path("api/v1/", include("notifications.urls")),
    path("api/v1/", include("social.urls")),
    path("api/v1/", include("bitcoingame.events.urls")),
    path("api/schema", SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[]), name="schema"),
    path(
        "api/docs",
        SpectacularSwaggerView.as_view(url_name="schema", authentication_classes=[], permission_classes=[]),
        name="docs",
    ),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("metrics", metrics),
]


class BadRequest(DomainError):
    code = "bad_request"
    detail = "The request could not be understood."


class Fault(DomainError):
    status = 500
    code = "fault"
    detail = "Something went wrong on our side."


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(BadRequest())


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _refusal(request, NotAllowed())


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _refusal(request, NotFound())


def handler500(request: HttpRequest) -> HttpResponse:
    return error_response(Fault())


def _refusal(request: HttpRequest, error: DomainError) -> HttpResponse:
    """A page for staff, who came with a browser and a session; JSON for everybody else."""
    if not request.path.startswith("/admin/") or not admin.site.has_permission(request):
        return error_response(error)
    context = {**admin.site.each_context(request), "title": "Not here", "subtitle": None, "detail": error.detail}
    return render(request, "staff/refused.html", context, status=error.status)
