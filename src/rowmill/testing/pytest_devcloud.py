"""A pytest plugin: the fixture `rowmill_devcloud`, a local AWS for a user's own tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rowmill.devcloud import Devcloud


@pytest.fixture(scope="session")
def rowmill_devcloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devcloud]:
    """Give a local AWS on free ports; it is stopped when the tests end, also when they are killed."""
    from rowmill import devcloud  # noqa: PLC0415 - only tests that ask for it pay for it

    data = tmp_path_factory.mktemp("devcloud")
    cloud = devcloud.up(data, port=0, valkey_port=0, ends_with_starter=True)
    try:
        yield cloud
    finally:
        cloud.down()
