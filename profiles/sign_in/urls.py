from django.urls import path

from profiles.sign_in.views import ChallengeView, LogoutView, RefreshView, VerifyView

urlpatterns = [
    path("challenge", ChallengeView.as_view(), name="auth-challenge"),
    path("verify", VerifyView.as_view(), name="auth-verify"),
    path("refresh", RefreshView.as_view(), name="auth-refresh"),
    path("logout", LogoutView.as_view(), name="auth-logout"),
]
