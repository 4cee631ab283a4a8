from django.urls import include, path
from rest_framework.routers import SimpleRouter

from profiles.views import MeView, PublicProfileView, PublicStatsView, SettingsView, WorkerViewSet

router = SimpleRouter(trailing_slash=False)
router.register("users/me/workers", WorkerViewSet, basename="worker")

urlpatterns = [
    *router.urls,
    path("auth/", include("profiles.sign_in.urls")),
    path("users/me", MeView.as_view(), name="me"),
    path("users/me/settings", SettingsView.as_view(), name="settings"),
    path("users/<str:address>/profile", PublicProfileView.as_view(), name="public-profile"),
    path("users/<str:address>/stats", PublicStatsView.as_view(), name="public-stats"),
]
