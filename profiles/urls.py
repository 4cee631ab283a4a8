from django.urls import include, path

from profiles.views import MeView, PublicProfileView, PublicStatsView, SettingsView

urlpatterns = [
    path("auth/", include("profiles.sign_in.urls")),
    path("users/me", MeView.as_view(), name="me"),
    path("users/me/settings", SettingsView.as_view(), name="settings"),
    path("users/<str:address>/profile", PublicProfileView.as_view(), name="public-profile"),
    path("users/<str:address>/stats", PublicStatsView.as_view(), name="public-stats"),
]
