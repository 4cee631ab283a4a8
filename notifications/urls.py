from django.urls import path
from rest_framework.routers import SimpleRouter

from notifications.views import (
    ConfirmEmailView,
    EmailConfirmationView,
    EmailReportView,
    NotificationViewSet,
    UnsubscribeView,
)

router = SimpleRouter(trailing_slash=False)
router.register("notifications", NotificationViewSet, basename="notification")

urlpatterns = [
    *router.urls,
    path("email/unsubscribe", UnsubscribeView.as_view(), name="email-unsubscribe"),
    path("email/confirm", ConfirmEmailView.as_view(), name="email-confirm"),
    path("users/me/settings/email/confirmation", EmailConfirmationView.as_view(), name="email-confirmation"),
    path("internal/email/<slug:service>", EmailReportView.as_view(), name="email-reports"),
]
