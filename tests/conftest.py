"""What every suite shares: the real broker and database, started for the tests that ask for them."""

import pytest

pytest_plugins = ["tests.parts"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "parts" in getattr(item, "fixturenames", ()):
            item.add_marker("parts")
