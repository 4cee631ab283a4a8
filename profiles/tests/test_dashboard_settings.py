"""The sections `mining` and `sound` of the settings are the dashboard's own, and are kept as they come."""

import json

import pytest
from django.db import IntegrityError, transaction

from conftest import client_of
from profiles.models import DashboardSettings

pytestmark = pytest.mark.django_db

SETTINGS = "/api/v1/users/me/settings"
SECTIONS = ("mining", "sound")


def kept(user):
    body = client_of(user).get(SETTINGS).json()
    return {section: body[section] for section in SECTIONS}


def patch(user, change):
    return client_of(user).patch(SETTINGS, change, format="json")


def patch_raw(user, text):
    return client_of(user).generic("PATCH", SETTINGS, text, "application/json")


def of_size(size, character="x"):
    """A section of so many bytes of compact JSON."""
    room = size - len('{"a":""}')
    text = character * (room // len(character.encode()))
    return {"a": text + "x" * (room - len(text.encode()))}


def nested(depth):
    value = {"leaf": 1}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def test_they_begin_empty_and_no_row_is_made_by_reading(alice):
    assert kept(alice) == {"mining": {}, "sound": {}}
    assert not DashboardSettings.objects.exists()


def test_a_patch_keeps_what_it_leaves_out(alice, bob):
    patch(alice, {"mining": {"unit": "TH/s", "chart": {"days": 7, "log": True}}})
    patch(alice, {"sound": {"volume": 0.5}})
    patch(alice, {"privacy": {"publicProfile": False}})
    body = patch(alice, {"mining": {"chart": {"days": 30}, "alarm": None}}).json()
    assert body["mining"] == {"unit": "TH/s", "chart": {"days": 30}, "alarm": None}
    assert body["sound"] == {"volume": 0.5}
    assert body["privacy"]["publicProfile"] is False
    assert client_of(alice).get(SETTINGS).json() == body
    assert kept(bob) == {"mining": {}, "sound": {}}


def test_null_empties_a_section_and_an_empty_patch_changes_nothing(alice):
    patch(alice, {"mining": {"a": 1}, "sound": {"b": 2}})
    assert patch(alice, {"mining": {}, "sound": {}}).json()["mining"] == {"a": 1}
    assert patch(alice, {"mining": None}).json()["mining"] == {}
    assert kept(alice) == {"mining": {}, "sound": {"b": 2}}


@pytest.mark.parametrize(
    "text",
    [
        '{"z":1,"a":2,"m":[{"y":1,"b":2}]}', '{"a":1.0,"b":-0.0,"c":1e300,"d":9007199254740993,"e":-1,"f":0.1}',
        '{"a":18446744073709551615,"b":-9223372036854775808}', '{"a":[],"b":{},"c":null,"d":false,"e":"","f":[[]]}',
        '{"":1," ":2,"camelCase":3,"snake_case":4}', '{"a":"Straße 😀 \\n\\t\\"\\\\ \\u001b","b":"\\u2028"}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("section", SECTIONS)
def test_what_comes_is_kept(alice, section, text):
    answer = patch_raw(alice, f'{{"{section}":{text}}}')
    assert answer.status_code == 200, answer.content
    raw = client_of(alice).get(SETTINGS).content.decode()
    found = json.loads(raw)[section]
    assert json.dumps(found) == json.dumps(json.loads(text))  # dumps tells 1 from 1.0, and the order of keys


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("character", ["x", "é", "😀"])
def test_each_section_takes_8_kib_and_not_a_byte_more(alice, section, character):
    fits = of_size(8192, character)
    assert patch(alice, {section: fits, "privacy": {"publicProfile": True}}).status_code == 200
    assert kept(alice)[section] == fits
    answer = patch(alice, {section: of_size(8193, character), "privacy": {"publicProfile": False}})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    assert answer.json()["errors"] == {section: ["This may take at most 8192 bytes."]}
    body = client_of(alice).get(SETTINGS).json()
    assert (body[section], body["privacy"]["publicProfile"]) == (fits, True)


def test_the_bound_is_for_what_is_kept_in_the_end(alice):
    patch(alice, {"mining": of_size(8000)})
    answer = patch(alice, {"mining": {"b": "x" * 300}, "sound": {"volume": 1}})
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"mining"})
    assert kept(alice) == {"mining": of_size(8000), "sound": {}}
    assert patch(alice, {"mining": {"a": "", "b": "x" * 300}}).status_code == 200
    assert patch(alice, {"mining": of_size(8192) | {"b": None}}).status_code == 400


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(
    "text",
    [
        "[]", "7", '"x"', "true", '{"a":"\\u0000"}', '{"\\u0000":1}', '{"a":[{"b":["c\\u0000"]}]}', '{"a":"\\ud800"}',
        '{"\\udfff":1}', '{"a":NaN}', '{"a":1e999}', json.dumps(nested(17)), '{"a":' + "[" * 16 + "]" * 16 + "}",
        '{"a":' * 300 + "1" + "}" * 300,
    ],
)  # fmt: skip
def test_what_cannot_be_kept_changes_nothing(alice, section, text):
    patch(alice, {section: {"here": 1}})
    answer = patch_raw(alice, f'{{"privacy":{{"publicProfile":false}},"{section}":{text}}}')
    assert answer.status_code == 400, answer.content
    assert isinstance(answer.json()["detail"], str)
    body = client_of(alice).get(SETTINGS).json()
    assert (body[section], body["privacy"]["publicProfile"]) == ({"here": 1}, True)


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("value", [[], 7, "x", True])
def test_the_refusal_of_what_is_no_object_reads_as_all_others(alice, section, value):
    answer = patch(alice, {section: value})
    assert answer.json()["errors"] == {section: ["This must be a JSON object."]}


def test_sixteen_levels_are_kept(alice):
    assert patch(alice, {"mining": nested(16)}).status_code == 200
    assert kept(alice)["mining"] == nested(16)


@pytest.mark.django_db(transaction=True)
def test_changes_at_once_are_all_kept(alice, at_once):
    def change(number):
        return lambda: patch(alice, {"mining": {f"key {number}": number}}).status_code

    assert at_once([change(number) for number in range(8)]) == [200] * 8
    assert kept(alice)["mining"] == {f"key {number}": number for number in range(8)}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_database_keeps_the_bound(alice, section):
    with pytest.raises(IntegrityError, match=f"{section}_takes_at_most_8_kib"), transaction.atomic():
        DashboardSettings.objects.create(user=alice, **{section: json.dumps(of_size(8200))})


def test_a_deleted_user_leaves_nothing(alice):
    patch(alice, {"mining": {"a": 1}})
    alice.delete()
    assert not DashboardSettings.objects.exists()
