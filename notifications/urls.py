from django.urls import path
from rest_framework.routers import SimpleRouter

from notifications.views import NotificationViewSet, UnsubscribeView

router = SimpleRouter(trailing_slash=False)
router.register("notifications", NotificationViewSet, basename="notification")

urlpatterns = [*router.urls, path("email/unsubscribe", UnsubscribeView.as_view(), name="email-unsubscribe")]
