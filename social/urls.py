from django.urls import path
from rest_framework.routers import SimpleRouter

from social.views import ActivityFeedView, CooperativeViewSet

router = SimpleRouter(trailing_slash=False)
router.register("cooperatives", CooperativeViewSet, basename="cooperative")

urlpatterns = [*router.urls, path("activity/feed", ActivityFeedView.as_view(), name="activity-feed")]
