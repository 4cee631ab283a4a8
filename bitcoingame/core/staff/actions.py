"""Actions of staff: one confirmation page with a reason, one service call for each row, and a report."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from bitcoingame.core.errors import DomainError
from bitcoingame.core.staff.pages import ReadOnlyAdmin
from bitcoingame.core.text import BadText, clean_name, clean_typed

MAX_ROWS = 100
MAX_REASON = 500
_IDS = re.compile(r"-?[0-9]{1,18}(,-?[0-9]{1,18})*")


class LineField(forms.CharField):
    """One line of text, cleaned by clean_typed."""

    widget = UnfoldAdminTextInputWidget
    clean_text = staticmethod(clean_typed)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            return self.clean_text(text, minimum=self.min_length or 1, maximum=self.max_length or MAX_REASON)
        except BadText as error:
            raise forms.ValidationError(str(error)) from None


class NameField(LineField):
    """What a cooperative will be called, cleaned by clean_name."""

    clean_text = staticmethod(clean_name)


class ReasonForm(forms.Form):
    """What each action asks for. A subclass may ask for more: each field goes to the service under the field's name."""

    reason = LineField(max_length=MAX_REASON, help_text="Kept in the audit log. One line.")

    def __init__(self, *args: Any, targets: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.targets = targets
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])


@dataclass(frozen=True)
class StaffAction:
    """One thing that staff may do to a row.

    `run` is the service that does it: run(staff=, reason=, <id_argument>=, <other fields of the form>=). It raises
    DomainError to refuse. `consequence` stands on the page that asks for the reason, `done` in the message afterwards.
    `is_offered` only decides whether an object's page shows the button; the service decides whether it may be done.
    """

    name: str
    label: str
    run: Callable[..., Any]
    permission: str
    consequence: str
    done: str
    form: type[ReasonForm] = ReasonForm
    is_bulk: bool = True
    is_dangerous: bool = False
    icon: str = "bolt"
    is_offered: Callable[[Any], bool] = lambda obj: True


class Button(NamedTuple):
    """What staff/buttons.html shows of an action."""

    label: str
    icon: str
    danger: bool
    url: str


class ActingAdmin(ReadOnlyAdmin):
    """A read-only admin with staff actions: as buttons on an object's page, and in the list for many rows."""

    staff_actions: Sequence[StaffAction] = ()
    id_argument = "pk"
    change_form_outer_before_template = "staff/buttons.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.act_view)
        return [path("act/<slug:name>/", view, name=f"{self._url_stem}_act"), *super().get_urls()]

    @property
    def _url_stem(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The actions that the list offers for the rows that are ticked."""
        return {
            action.name: (_leading_to(action), action.name, action.label)
            for action in self.staff_actions
            if action.is_bulk and _may(request, action)
        }

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Refuses ticks that are not ids. Django's own method would fail with an error of the server."""
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if not _IDS.fullmatch(",".join(ticked)):
            messages.error(request, "Choose among the rows of the list.")
            return self._to_list()
        response: HttpResponse | None = super().response_action(request, queryset)
        return response

    def action_url(self, action: str, pks: Sequence[int], **values: Any) -> str:
        """The page that asks for the reason; `values` fill in other fields of its form."""
        query = urlencode({"ids": ",".join(map(str, pks)), **values})
        return f"{reverse(f'admin:{self._url_stem}_act', args=[action])}?{query}"

    def buttons(self, request: HttpRequest, obj: Model) -> list[Button]:
        """The actions that the object's page offers to this member of staff."""
        actions = [action for action in self.staff_actions if _may(request, action) and action.is_offered(obj)]
        return [
            Button(action.label, action.icon, action.is_dangerous, self.action_url(action.name, [obj.pk]))
            for action in actions
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.get_object(request, object_id)
        buttons = self.buttons(request, obj) if obj is not None else []
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "buttons": buttons})

    def act_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Asks for the reason. Once it is given, acts on each row and reports what was done and what was refused."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        action = next((action for action in self.staff_actions if action.name == name), None)
        if action is None:
            raise Http404
        if not _may(request, action):
            raise PermissionDenied
        ids = request.GET.get("ids", "")
        pks = sorted({int(pk) for pk in ids.split(",")}) if _IDS.fullmatch(ids) else []
        if not 0 < len(pks) <= (MAX_ROWS if action.is_bulk else 1):
            messages.error(request, f"Choose from 1 to {MAX_ROWS} rows." if action.is_bulk else "Choose one row.")
            return self._to_list()
        targets = list(self.get_queryset(request).filter(pk__in=pks))
        if not targets:
            messages.error(request, "There is nothing of this kind any more.")
            return self._to_list()
        if request.method != "POST":
            initial = {field: value for field, value in request.GET.items() if field != "ids"}
            return self._ask(request, action, targets, action.form(targets=targets, initial=initial))
        form = action.form(request.POST, targets=targets)
        if not form.is_valid():
            return self._ask(request, action, targets, form)
        self._act(request, action, targets, form.cleaned_data)
        return self._back_to(request, targets)

    def _ask(
        self, request: HttpRequest, action: StaffAction, targets: Sequence[Model], form: ReasonForm
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": action.label,
            "subtitle": None,
            "action": action,
            "targets": targets,
            "form": form,
            "cancel_url": self._to_list().url if len(targets) > 1 else self._page_of(targets[0]),
        }
        return TemplateResponse(request, "staff/confirm.html", context)

    def _act(
        self, request: HttpRequest, action: StaffAction, targets: Sequence[Model], values: Mapping[str, Any]
    ) -> None:
        done = []
        for target in targets:
            try:
                action.run(staff=request.user, **{self.id_argument: target.pk}, **values)
            except DomainError as error:
                messages.error(request, f"{target}: {error.detail}")
            except OperationalError:
                messages.error(request, f"{target}: the database was busy and nothing changed. Try again.")
            else:
                done.append(str(target))
        if done:
            messages.success(request, f"{action.done}: {', '.join(done)}.")

    def _back_to(self, request: HttpRequest, targets: Sequence[Model]) -> HttpResponse:
        if len(targets) == 1 and self.get_queryset(request).filter(pk=targets[0].pk).exists():
            return HttpResponseRedirect(self._page_of(targets[0]))
        return self._to_list()

    def _page_of(self, obj: Model) -> str:
        return reverse(f"admin:{self._url_stem}_change", args=[obj.pk])

    def _to_list(self) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse(f"admin:{self._url_stem}_changelist"))


def _may(request: HttpRequest, action: StaffAction) -> bool:
    return bool(getattr(request.user, "has_perm", lambda _: False)(action.permission))


def _leading_to(action: StaffAction) -> Callable[[ActingAdmin, HttpRequest, QuerySet[Any]], HttpResponse]:
    def lead(admin: ActingAdmin, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse:
        pks = list(rows.order_by("pk").values_list("pk", flat=True)[: MAX_ROWS + 1])
        return HttpResponseRedirect(admin.action_url(action.name, pks))

    return lead
