from django.urls import path

from bitcoingame.events.views import EventsView

urlpatterns = [path("internal/events", EventsView.as_view())]
