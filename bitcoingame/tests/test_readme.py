"""The README's table of settings lists what the code reads."""

import re

from django.conf import settings

READER = re.compile(r"env\.(?:text|words|origins?|integer|boolean|choice|pem|database_url|redis_url)\(\s*\"([A-Z_]+)\"")


def test_every_variable_has_its_row_and_every_row_its_variable():
    code = (settings.BASE_DIR / "bitcoingame" / "settings.py").read_text()
    readme = (settings.BASE_DIR / "README.md").read_text()

    assert set(re.findall(r"^\| `([A-Z_]+)` \|", readme, re.MULTILINE)) == set(READER.findall(code))
