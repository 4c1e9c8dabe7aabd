"""The server, by plain requests: who sees what, who may do what."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from web_kit import OPEN_WORD, SECRET, a_run, ended, environment, listening, opened, rowmill, start, until

from rowmill.web.access import form_key_of

if TYPE_CHECKING:
    from pathlib import Path

    from web_kit import Live, Shown


def test_the_list_shows_all_runs_with_their_states(shown: Shown) -> None:
    text = shown.served.get("/").text
    for run_id, state in ((shown.finished, "succeeded"), (shown.failed, "failed"), (shown.many, "interrupted")):
        row = text[text.index(f'href="/runs/{run_id}"') :].partition("</tr>")[0]
        assert f">{state}<" in row


def test_a_finished_run_shows_its_steps_and_what_was_proved(shown: Shown) -> None:
    text = shown.served.get(f"/runs/{shown.finished}").text
    assert text.count('class="node done"') == 3
    assert "100 in = 90 written + 0 filtered + 10 rejected" in text


def test_a_failed_run_tells_what_failed_and_what_to_do(shown: Shown) -> None:
    text = shown.served.get(f"/runs/{shown.failed}").text
    assert "the function failed with KeyError" in text
    assert "Next: mend it" in text
    assert re.search(r'class="node failed">.*process', text)
    assert "12 done" not in text  # its states are told by times


def test_what_users_named_is_no_markup(shown: Shown) -> None:
    assert "orders &lt;b&gt;" in shown.served.get(f"/runs/{shown.failed}").text
    assert "orders <b>" not in shown.served.get("/").text


def test_row_text_is_for_whoever_has_the_token_and_sensitive_columns_for_nobody(shown: Shown) -> None:
    paths = [f"/runs/{shown.finished}", f"/runs/{shown.finished}/partitions/0"]
    for path in paths:
        without, with_token = shown.served.get(path).text, shown.served.page(path)
        assert "the town is not served" in without
        assert OPEN_WORD not in without
        assert f"{OPEN_WORD} 7" in with_token
        assert "(sensitive)" in with_token
        assert SECRET not in without + with_token


def test_the_live_stream_tells_no_more_than_the_page(shown: Shown) -> None:
    path = f"/runs/{shown.finished}/live"
    without, with_token = shown.served.get(path).text, shown.served.get(path, Cookie=shown.served.cookie()).text
    assert OPEN_WORD not in without
    assert OPEN_WORD in with_token
    assert SECRET not in without + with_token
    assert without.rstrip().endswith("event: end\ndata: {}")


def test_a_log_is_for_whoever_has_the_token(shown: Shown) -> None:
    path = f"/runs/{shown.failed}/partitions/12"
    assert "its last words" not in shown.served.get(path).text
    assert "its last words" in shown.served.page(path)


def test_a_token_in_the_address_becomes_a_cookie_of_this_site_only(shown: Shown) -> None:
    answer = shown.served.get(f"/runs/{shown.finished}?token={shown.served.token}&a=b")
    assert (answer.code, answer.headers["location"]) == (303, f"/runs/{shown.finished}?a=b")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert shown.served.token not in cookie


def test_a_wrong_token_is_refused(shown: Shown) -> None:
    assert shown.served.get("/?token=guess").code == 403
    assert shown.served.get("/?token=").code == 403


def test_a_token_does_not_lead_to_another_site(shown: Shown) -> None:
    answer = shown.served.get(f"//elsewhere.example/?token={shown.served.token}")
    assert answer.headers.get("location", "/").startswith("/elsewhere.example/")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "[", ""])
def test_a_name_that_was_made_to_lead_here_is_refused(shown: Shown, host: str) -> None:
    assert shown.served.get("/", Host=host).code == 421


@pytest.mark.parametrize("path", ["/", "/nowhere", "/static/rowmill.js", "/metrics"])
def test_every_answer_forbids_what_is_not_ours(shown: Shown, path: str) -> None:
    headers = shown.served.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in policy


def test_pages_hold_no_style_or_script_that_the_policy_would_refuse(shown: Shown) -> None:
    for path in ("/", f"/runs/{shown.finished}", f"/runs/{shown.many}", f"/runs/{shown.failed}/partitions/12"):
        text = shown.served.page(path)
        assert "style=" not in text
        assert "<style" not in text
        assert not re.search(r"<script[^>]*>[^<]", text)
        assert not re.search(r"\son\w+=", text)
        assert not re.search(r'(href|src|action)="(https?:)?//', text)


@pytest.mark.parametrize("path", ["/runs/..%2Fetc", "/runs/" + "0" * 16, "/runs/x/live", "/runs/%2e%2e/partitions"])
def test_a_run_that_is_not_there_is_not_found(shown: Shown, path: str) -> None:
    answer = shown.served.get(path)
    assert answer.code in (404, 405)
    assert "Traceback" not in answer.text


def test_a_run_that_was_damaged_is_told_in_plain_words(tmp_path: Path) -> None:
    run_id = a_run(tmp_path, 3, range(3))
    (tmp_path / ".rowmill" / "runs" / run_id / "receipts" / "00001.json").write_text("{")
    with opened(tmp_path) as served:
        answer, listed, metrics = served.get(f"/runs/{run_id}"), served.get("/"), served.get("/metrics")
    assert (answer.code, listed.code, metrics.code) == (500, 200, 200)
    assert ">unreadable<" in listed.text
    assert "00001.json does not read as Receipt" in answer.text


@pytest.mark.parametrize("rest", ["partitions/100", "partitions/x", "partitions/-1", "nothing"])
def test_a_partition_that_is_not_there_is_not_found(shown: Shown, rest: str) -> None:
    assert shown.served.get(f"/runs/{shown.finished}/{rest}").code in (404, 405)


def test_a_partition_is_chosen_without_a_script(shown: Shown) -> None:
    answer = shown.served.get(f"/runs/{shown.finished}/partitions?partition=4")
    assert (answer.code, answer.headers["location"]) == (303, f"/runs/{shown.finished}/partitions/4")


def test_a_partition_is_told_in_a_line(shown: Shown) -> None:
    told = shown.served.get(f"/runs/{shown.many}/partitions/3/line").text
    assert told == "Partition 3: 10 rows in 4.0 s"
    assert shown.served.get(f"/runs/{shown.failed}/partitions/12/line").text == "Partition 12: failed"


def test_metrics_tell_every_run_as_prometheus_reads_it(shown: Shown) -> None:
    lines = shown.served.get("/metrics").text.splitlines()
    assert f'rowmill_run_rows_done{{run="{shown.finished}",job="slow"}} 100' in lines
    assert f'rowmill_run_failed{{run="{shown.failed}",job="orders <b>"}} 1' in lines
    assert 'rowmill_runs{state="interrupted"} 1' in lines
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"# .*|\w+\{.*\} -?\d+", line) for line in lines)


def test_a_live_run_has_controls_only_for_whoever_has_the_token(live: Live, shown: Shown) -> None:
    path = f"/runs/{live.run_id}"
    assert 'method="post"' not in live.served.get(path).text
    text = live.served.page(path)
    assert re.findall(r'method="post" action="/runs/\w+/(\w+)"', text) == ["pause", "resume", "scale", "cancel"]
    assert 'method="post"' not in shown.served.page(f"/runs/{shown.finished}")


CONTROLLED = """
import sys
from rowmill.errors import StateError
from rowmill.storage import open_storage
from rowmill.web import serving

asked = serving.Asked("127.0.0.1", 0, "", "")
bound = serving.bind(asked)

def control(what, run_id, workers):
    if what == "cancel":
        raise StateError("it has ended <b>", hint="nothing to do")
    return [f"{what} {run_id} {workers}"]

print(f"{bound.url}?token={bound.token}\\nCtrl-C", flush=True)
serving.serve(open_storage(".rowmill"), bound, asked, control)
"""


def test_a_control_needs_cookie_and_form_key_or_the_token_and_tells_its_answer(tmp_path: Path) -> None:
    run_id = a_run(tmp_path, 3, range(3))
    words = [sys.executable, "-c", CONTROLLED]
    process = subprocess.Popen(words, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, text=True)
    served = listening(process)
    try:
        cookie, at = served.cookie(), f"/runs/{run_id}"
        key = form_key_of(served.token)
        assert served.post(f"{at}/pause", {"key": key}).code == 403
        assert served.post(f"{at}/pause", {}, Cookie=cookie).code == 403
        assert served.post(f"{at}/pause", {"key": "guess"}, Cookie=cookie).code == 403
        assert served.get(f"{at}/pause", Cookie=cookie).code == 405
        assert 'class="told"' not in served.page(at)
        answer = served.post(f"{at}/pause", {"key": key}, Cookie=cookie)
        assert (answer.code, answer.headers["location"]) == (303, at)
        assert f"Pause: pause {run_id} None" in served.page(at)
        served.post(f"{at}/cancel", {"key": key}, Cookie=cookie)
        assert "Not done: it has ended &lt;b&gt;\nNext: nothing to do" in served.page(at)
        by_script = served.post(f"{at}/scale", {"workers": "7"}, Authorization=f"Bearer {served.token}")
        assert (by_script.code, by_script.text) == (200, f"Scale: scale {run_id} 7\n")
        for workers in ("0", "x", "", "99999"):
            told = served.post(f"{at}/scale", {"workers": workers}, Authorization=f"Bearer {served.token}")
            assert told.code == 409
        assert served.post(f"{at}/erase", {"key": key}, Cookie=cookie).code == 404
    finally:
        ended(process)


def test_elsewhere_than_on_this_machine_it_needs_a_token_for_all_pages(tmp_path: Path) -> None:
    (tmp_path / ".rowmill").mkdir()
    refused = start(tmp_path, "ui", "--port", "0", "--host", "0.0.0.0")  # noqa: S104
    told, _ = refused.communicate(timeout=60)
    assert refused.returncode == 2
    assert "--token" in told
    with opened(tmp_path, "--host", "0.0.0.0", "--token", "mine") as served:  # noqa: S104
        assert served.token == "YOUR-TOKEN"  # noqa: S105 - it is not shown
        here = served._replace(url=served.url.replace("0.0.0.0", "127.0.0.1"), token="mine")  # noqa: S104, S106
        for path in ("/", "/metrics", "/live", "/runs/x"):
            assert here.get(path).code == 401
        assert here.get("/static/rowmill.css").code == 200
        assert here.get("/metrics", Authorization="Bearer mine").code == 200
        assert "No runs yet" in here.page("/")


def test_a_port_that_is_taken_is_told(shown: Shown) -> None:
    port = shown.served.url.rpartition(":")[2]
    second = start(shown.folder, "ui", "--port", port)
    told, _ = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "give another --port" in told
    assert "Traceback" not in told


def test_a_signal_ends_it_though_pages_are_live(live: Live) -> None:
    with urlopen(f"{live.served.url}/runs/{live.run_id}/live", timeout=60) as stream:  # noqa: S310
        assert stream.readline() == b"event: parts\n"
        live.served.process.terminate()
        assert live.served.process.wait(timeout=60) == 143


def test_metrics_are_kept_in_files(shown: Shown, tmp_path: Path) -> None:
    with opened(shown.folder, "--metrics-file", str(tmp_path / "ui.prom")):
        until((tmp_path / "ui.prom").exists)
        assert "rowmill_runs{" in (tmp_path / "ui.prom").read_text()
    (tmp_path / "in.csv").write_text("id,card,town\n1,2,3\n")
    file = tmp_path / "run.prom"
    rowmill(tmp_path, "run", str(shown.folder / "job.py"), "in.csv", "--no-progress", "--metrics-file", str(file))
    lines = file.read_text().splitlines()
    labels = f'{{job="{shown.folder / "job.py"}",input="in.csv"}}'
    assert f"rowmill_run_exit_code{labels} 0" in lines
    assert f"rowmill_run_rows_done{labels} 1" in lines


def test_a_report_is_one_file_without_script_or_rows(shown: Shown, tmp_path: Path) -> None:
    rowmill(shown.folder, "report", shown.finished, "--html", str(tmp_path / "report.html"))
    text = (tmp_path / "report.html").read_text()
    assert "100 in = 90 written + 0 filtered + 10 rejected" in text
    assert "the town is not served" in text
    assert OPEN_WORD not in text
    assert SECRET not in text
    for word in ("<script", "<form", '<a href="/', '<link rel="stylesheet', "http"):
        assert word not in text.replace("http-equiv", "")


def test_a_report_is_told_again_as_text_and_json(shown: Shown) -> None:
    assert "proved: 100 rows in" in rowmill(shown.folder, "report", shown.finished)
    assert json.loads(rowmill(shown.folder, "report", shown.finished, "--json"))["run_id"] == shown.finished
    without = start(shown.folder, "report", shown.failed)
    told, _ = without.communicate(timeout=60)
    assert (without.returncode, "its state is failed" in told) == (5, True)
