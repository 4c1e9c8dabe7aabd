"""What every Storage, table and Tracker must do, as plain functions that any implementation joins in a few lines.

```python
@pytest.mark.parametrize("check", suites.STORAGE, ids=suites.name_of)
def test_mine_is_a_storage(check, tmp_path):
    check(f"file://{tmp_path}")
```
Storages are opened by URL, so that a second process can open the same one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rowmill.testing.storage_suite import STORAGE
from rowmill.testing.table_suite import STAGED, TABLES, Place, close_all
from rowmill.testing.tracker_suite import TRACKERS
from rowmill.testing.transactional_suite import TRANSACTIONAL

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["STAGED", "STORAGE", "TABLES", "TRACKERS", "TRANSACTIONAL", "Place", "close_all", "name_of"]


def name_of(check: Callable[..., Any]) -> str:
    """Return a check's name, for a test's id."""
    return check.__name__
