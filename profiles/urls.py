from django.urls import path

from profiles.views import MeView, PublicProfileView, PublicStatsView, SettingsView

urlpatterns = [
    path("users/me", MeView.as_view(), name="me"),
    path("users/me/settings", SettingsView.as_view(), name="settings"),
    path("users/<str:address>/profile", PublicProfileView.as_view(), name="public-profile"),
    path("users/<str:address>/stats", PublicStatsView.as_view(), name="public-stats"),
]
