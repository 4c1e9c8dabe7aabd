"""A connection to PostgreSQL, and its errors as ours."""

from __future__ import annotations

import random
import re
import selectors
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from rowmill.errors import ConfigurationError, ProcessingError, RowmillError, TransientError
from rowmill.model import policy

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
except ImportError:
    raise ConfigurationError("the table is in PostgreSQL", hint="pip install 'rowmill[postgresql]'") from None

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 30.0  # with a server that starts up, or is away
# What libpq is told unless the address says otherwise. A server that is gone without a word is noticed in two minutes.
DEFAULTS = {
    "connect_timeout": "10",
    "fallback_application_name": "rowmill",
    "keepalives_idle": "60",
    "keepalives_interval": "15",
    "keepalives_count": "4",
    "tcp_user_timeout": "120000",
}
SECRETS = {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}
# A marker that is told as saved must outlive the server.
DURABLE = b"SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
# What no waiting mends. Before a session stands there is no code, only words.
REFUSED = re.compile(
    r"authentication failed|no password supplied|fe_sendauth|database .* does not exist|role .* does not exist|"
    r"no pg_hba|permission denied|not permitted to log in|invalid .*(option|value|integer|port)|"
    r"definition of service|service file|certificate|does not support SSL|private key",
    re.IGNORECASE,
)
SHOWN_VALUE = re.compile(r'".*"', re.DOTALL)
ROW_ERRORS = (psycopg.IntegrityError, psycopg.DataError)  # what is wrong with a row, and not with the database
RIGHTS, READ_ONLY, TIMEOUT = "42501", "25006", "57014"  # SQLSTATE codes, and classes
MISTAKE = ("42", "3D", "3F", "28", "0A")
PASSING = ("08", "25", "40", "53", "55006", "55P03", "57", "58", "XX")


def check_url(url: str) -> None:
    """Refuse an address that holds a secret.

    Raises:
        ConfigurationError: It does.
    """
    if urlsplit(url).password or SECRETS & set(parse_qs(urlsplit(url).query, keep_blank_values=True)):
        raise ConfigurationError(
            "a table's URL must not hold a password", hint="use PGPASSFILE, ~/.pgpass or a service"
        )


def connect(url: str, *, pause: Callable[[float], None] = time.sleep) -> psycopg.Connection:
    """Return a connection in autocommit mode; a server that is away is waited for.

    Raises:
        ConfigurationError: It refuses us.
        TransientError: It did not come.
    """
    dice = random.Random()  # noqa: S311 - so that workers do not come back all at once
    end, tries = time.monotonic() + PATIENCE_S, 0
    while True:
        try:
            return _opened(url)
        except psycopg.ProgrammingError as error:
            raise ConfigurationError(
                f"{url} does not read: {words_of(error)}", hint="write postgresql://host/db"
            ) from None
        except psycopg.Error as error:
            if REFUSED.search(str(error)):
                raise ConfigurationError(
                    f"PostgreSQL refuses the connection: {words_of(error)}",
                    hint="check user, database and the password file (PGPASSFILE)",
                    url=url,
                ) from None
            if time.monotonic() > end:
                raise translated(error, url) from None
        pause(policy.pause_s(tries, dice, base_s=0.2, cap_s=3.0))
        tries += 1


def _opened(url: str) -> psycopg.Connection:
    words = DEFAULTS | {name: str(value) for name, value in conninfo_to_dict(url).items()}
    words["client_encoding"] = "utf8"
    db = psycopg.connect("", autocommit=True, prepare_threshold=None, **words)  # type: ignore[arg-type]
    # What others have committed is seen as soon as their lock is ours.
    db.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    db.execute(DURABLE)
    return db


def is_alive(db: psycopg.Connection) -> bool:
    """Tell whether a connection that does nothing is still there, as far as this side knows: nothing is sent."""
    if db.closed:
        return False
    if db.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
        return True
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(db.fileno(), selectors.EVENT_READ)
            while selector.select(0):  # a server that ends says why, and then goes
                db.pgconn.consume_input()
    except psycopg.OperationalError:
        return False
    return True


def words_of(error: psycopg.Error) -> str:
    """Return the server's own words, without any value of a row, and without DETAIL, which shows them."""
    state = error.sqlstate or ""
    told = error.diag.message_primary or str(error).strip().partition("\n")[0] or type(error).__name__
    if state.startswith("22"):
        return SHOWN_VALUE.sub('"..."', told)
    if state.startswith("P0"):  # a trigger says what it likes
        return f"a trigger or function of the database refuses it (SQLSTATE {state})"
    return told


def translated(error: psycopg.Error, url: str) -> RowmillError:
    """Return PostgreSQL's error as ours."""
    state, told = error.sqlstate or "", f"PostgreSQL: {words_of(error)}"
    if state == RIGHTS:
        return ConfigurationError(told, hint="grant the right to the run's user", url=url)
    if state == READ_ONLY:
        return ConfigurationError(told, hint="give the address of the primary: it must take writes", url=url)
    if state == TIMEOUT:
        return TransientError(
            told, hint="if it was statement_timeout, raise it: PGOPTIONS='-c statement_timeout=0'", url=url
        )
    if state.startswith(PASSING) or (not state and not isinstance(error, psycopg.ProgrammingError)):
        return TransientError(told, hint="the server is away or busy; the same command goes on", url=url)
    if state.startswith(MISTAKE) or not state:
        return ConfigurationError(told, hint="check the job's Table(…) and the live table", url=url)
    return ProcessingError(told, hint="the database refused a statement of the run", url=url)
