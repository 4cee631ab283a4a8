"""Registers the staff's pages that concern more than one app. Django looks for them here."""

from django.contrib import admin

from bitcoingame.staff import events, queue, users  # noqa: F401 - importing them registers their pages

admin.site.index_template = "staff/start.html"
