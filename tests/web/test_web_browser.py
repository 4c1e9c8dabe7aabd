"""The pages in a real browser: what a person sees, by mouse, keyboard and screen reader, on a desk and on a phone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from web_kit import SECRET, rowmill

from rowmill.web.drawing import columns_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from web_kit import Live, Shown

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DESK, PHONE = {"width": 1200, "height": 900}, {"width": 360, "height": 740}
HANG_MS = 30_000
GROUNDS = {"light": "rgb(246, 246, 243)", "dark": "rgb(18, 21, 23)"}
PICTURES = os.environ.get("PICTURES")  # a folder where screenshots are kept, for whoever wants to look


@pytest.fixture(scope="module")  # an event loop goes on as long as it lives, which other files would trip over
def browser() -> Iterator[Browser]:
    assert CHROMIUM.exists(), "make servers installs it"
    expect.set_options(timeout=HANG_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


class Complaints(list[str]):
    """What a page complained of, and whom it asked that is not its own server."""


@pytest.fixture
def opened_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page; at the end nobody has complained, and nobody else was asked."""
    contexts: list[BrowserContext] = []
    complaints = Complaints()

    def open_page(url: str, path: str, token: str = "", **how: object) -> Page:
        context = browser.new_context(**{"viewport": DESK, **how})
        context.set_default_timeout(HANG_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: request.url.startswith((url, "data:")) or complaints.append(request.url))
        answer = page.goto(f"{url}{path}?token={token}" if token else f"{url}{path}")
        assert answer is None or answer.ok, answer.status
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def keep_picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


def test_a_live_run_is_seen_growing_until_it_has_ended(live: Live, opened_page: Callable[..., Page]) -> None:
    page = opened_page(live.served.url, f"/runs/{live.run_id}", live.served.token)
    expect(page.locator(".node.active h2")).to_have_text("process")
    expect(page.locator("#steps")).to_contain_text("4 of 10 partitions")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    keep_picture(page, "live")
    live.let_go()
    expect(page.locator(".node.done")).to_have_count(3)
    expect(page.locator("#proof")).to_contain_text("100 in = 90 written")
    expect(page.locator("h1 .pill")).to_have_text("succeeded")
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    expect(page.locator("#rejects")).to_contain_text("(sensitive)")
    assert SECRET not in page.content()


def test_what_is_typed_into_a_form_outlives_what_comes_in(live: Live, opened_page: Callable[..., Page]) -> None:
    page = opened_page(live.served.url, f"/runs/{live.run_id}", live.served.token)
    workers = page.get_by_label("Workers")
    workers.fill("7")
    live.let_go()
    expect(page.locator(".node.done")).to_have_count(3)
    expect(workers).to_have_value("7")
    expect(workers).to_be_focused()


def test_the_list_of_runs_follows_them(live: Live, opened_page: Callable[..., Page]) -> None:
    page = opened_page(live.served.url, "/")
    expect(page.locator(".pill")).to_have_text("running")
    live.let_go()
    expect(page.locator(".pill")).to_have_text("succeeded")


def test_a_run_is_paused_and_resumed_by_buttons_that_tell_their_answers(
    live: Live, opened_page: Callable[..., Page]
) -> None:
    page = opened_page(live.served.url, f"/runs/{live.run_id}", live.served.token)
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Cancel").click()  # whoever does not mean it cancels nothing
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".told")).to_have_text(f"Pause: run {live.run_id}")
    expect(page.locator(".node.paused .how")).to_contain_text("paused")
    live.let_go()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".told")).to_contain_text("Not done:")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("h1 .pill")).to_have_text("succeeded")


def test_ten_thousand_partitions_are_one_grid_that_answers_at_once(
    shown: Shown, opened_page: Callable[..., Page]
) -> None:
    page = opened_page(shown.served.url, f"/runs/{shown.many}")
    expect(page.locator("svg.grid")).to_have_accessible_name(
        "10,000 partitions: 400 waiting, 2,744 done within 2.0 s, 1,372 2.0 s to 3.2 s, "
        "2,742 3.2 s to 5.0 s, 2,742 5.0 s to 8.0 s"
    )
    assert page.locator("*").count() < 500  # few elements are what keeps a page fluid
    grid = page.locator("svg.grid")
    box = grid.bounding_box()
    assert box is not None
    columns = columns_for(10_000)
    cell = box["width"] / (columns + 0.1)
    page.mouse.move(box["x"] + 3.5 * cell, box["y"] + 2.5 * cell)
    expect(page.locator("#chosen")).to_contain_text(f"Partition {2 * columns + 3:,}: 10 rows in")
    keep_picture(page, "many")
    page.mouse.click(box["x"] + 3.5 * cell, box["y"] + 2.5 * cell)
    page.wait_for_url(f"**/partitions/{2 * columns + 3}")
    expect(page.locator("h1")).to_contain_text(f"Partition {2 * columns + 3:,}")


def test_all_is_reached_and_told_by_the_keyboard_alone(shown: Shown, opened_page: Callable[..., Page]) -> None:
    page = opened_page(shown.served.url, "/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    while page.evaluate("document.activeElement.getAttribute('href')") != f"/runs/{shown.failed}":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    slider = page.get_by_role("slider", name="Partition")
    while not slider.evaluate("slider => slider === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#chosen")).to_have_text("Partition 12: failed")
    expect(slider).to_have_attribute("aria-valuetext", "Partition 12: failed")
    page.keyboard.press("Enter")
    page.wait_for_url("**/partitions/12")
    expect(page.locator("main")).to_contain_text("the function failed with KeyError")


@pytest.mark.parametrize(
    "path", ["/", "/runs/{finished}", "/runs/{failed}", "/runs/{many}", "/runs/{failed}/partitions/12"]
)
def test_a_phone_shows_all_without_moving_sideways(shown: Shown, opened_page: Callable[..., Page], path: str) -> None:
    address = path.format(**shown._asdict())
    page = opened_page(shown.served.url, address, shown.served.token, viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    keep_picture(page, f"phone-{path.count('/')}-{path[6:10]}")


def test_a_phone_shows_what_failed_whole(shown: Shown, opened_page: Callable[..., Page]) -> None:
    page = opened_page(shown.served.url, f"/runs/{shown.failed}", shown.served.token, viewport=PHONE)
    assert page.locator("#failures .scroll").evaluate("it => it.scrollWidth <= it.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_is_named_and_stands_out_in_both_colour_schemes(
    shown: Shown, live: Live, opened_page: Callable[..., Page], scheme: str
) -> None:
    at_rest = [f"/runs/{shown.finished}", f"/runs/{shown.failed}", f"/runs/{shown.failed}/partitions/12", "/"]
    pages = [(shown.served, path) for path in at_rest[: 4 if scheme == "light" else 3]]
    for served, path in [*pages, (live.served, f"/runs/{live.run_id}")]:
        page = opened_page(served.url, path, served.token, color_scheme=scheme)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == GROUNDS[scheme]
        keep_picture(page, f"{scheme}-{path.count('/')}-{path[6:10]}")


def test_pages_tell_all_without_a_script(shown: Shown, opened_page: Callable[..., Page]) -> None:
    page = opened_page(shown.served.url, f"/runs/{shown.failed}", java_script_enabled=False)
    expect(page.locator("#failures")).to_contain_text("the function failed with KeyError")
    page.get_by_role("button", name="Open").click()
    expect(page.locator("h1")).to_contain_text("Partition 0")


def test_a_report_opens_as_a_file(shown: Shown, opened_page: Callable[..., Page], tmp_path: Path) -> None:
    rowmill(shown.folder, "report", shown.finished, "--html", str(tmp_path / "report.html"))
    page = opened_page(f"file://{tmp_path}", "/report.html")
    expect(page.locator(".node.done")).to_have_count(3)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == GROUNDS["light"]
