"""What a run's id is made of is the same on any version of Python."""

from __future__ import annotations

import pytest

from rowmill.model.identity import without_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", ""),
        ("sqlite:////srv/a.db", "sqlite:////srv/a.db"),  # Python's own urlunsplit has changed what it makes of this
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("postgresql://ann:secret@db:5432/shop?sslmode=require#x", "postgresql://db:5432/shop"),
        ("postgresql://ann@db/shop", "postgresql://db/shop"),
        ("DYNAMODB://eu-west-1/Orders", "dynamodb://eu-west-1/Orders"),
        ("postgresql:///shop?host=/run", "postgresql:///shop"),
    ],
)
def test_an_address_keeps_its_place_and_nothing_secret(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
