"""All addresses of the service, and the answers to what Django itself refuses."""

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from bitcoingame.core.api.refusals import error_response
from bitcoingame.core.errors import DomainError, NotAllowed, NotFound
from bitcoingame.metrics import metrics


def no_page_outside(request: HttpRequest, rest: str) -> HttpResponse:
    """Answers 404 for the admin's "view on site" links, because none of our models has a page outside the admin.

    Django's own view reads the table of any model that the address names, and the queue's model has no table.
    """
    raise Http404


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
    path("admin/r/<path:rest>", admin.site.admin_view(no_page_outside)),
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
    """A page for staff, who use a browser and have a session; JSON for everybody else."""
    if not request.path.startswith("/admin/") or not admin.site.has_permission(request):
        return error_response(error)
    context = {**admin.site.each_context(request), "title": "Not here", "subtitle": None, "detail": error.detail}
    return render(request, "staff/refused.html", context, status=error.status)
