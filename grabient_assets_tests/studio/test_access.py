"""Who may ask the studio, and what every response carries."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from grabient_assets.studio.access import Access
from grabient_assets.studio.application import make_application
from grabient_assets.studio.pages import Ask, Done, Form, MissingError, Page, Routes
from grabient_assets_tests.studio.opened import HOST, PORT, Opened, opened

TAKEN = "taken"


def _page(ask: Ask) -> dict[str, str]:
    if ask.text("q") == "nothing":
        raise MissingError("There is no such thing.")
    return {"title": ask.text("q"), "sentence": "read"}


def _form(ask: Ask) -> Done:
    return Done("/page", f"{TAKEN}: {ask.text('word')}", {"word": ask.text("word")})


ROUTES: Routes = [Page("/page", "trouble.html", _page, label="Page"), Form("/form", _form, max_bytes=2_000)]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return opened(tmp_path_factory.mktemp("data"), ROUTES)


@pytest.mark.parametrize("host", [HOST, f"localhost:{PORT}", f"[::1]:{PORT}", f"LOCALHOST:{PORT}"])
def test_the_names_of_this_machine_are_answered(studio: Opened, host: str) -> None:
    assert studio.client.get("/page", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:80", f"127.0.0.1.evil.example:{PORT}", "", "a b"],
)
def test_another_name_is_refused_for_pages_files_and_forms(studio: Opened, host: str) -> None:
    for path in ("/page", "/page.json", "/static/studio.css", "/nowhere"):
        refused = studio.client.get(path, headers={"Host": host})
        assert (refused.status_code, f"http://{HOST}" in refused.text) == (403, True), path
    assert studio.post("/form", headers={"Host": host}).status_code == 403


def test_a_name_that_it_was_started_with_is_answered() -> None:
    access = Access("t", "studio.example", 3700)
    assert access.refusal("GET", {"host": "studio.example:3700"}) is None
    assert access.refusal("GET", {"host": "localhost:3700"}) is None
    assert access.refusal("GET", {"host": "other.example:3700"})
    assert Access("t", "::1", 80).refusal("GET", {"host": "[::1]"}) is None


def test_a_form_needs_the_token_of_this_process(studio: Opened) -> None:
    for token in ("", "wrong", "ü", studio.token[:-1], studio.token + "x"):
        by_field = studio.client.post("/form", data={"token": token, "word": "a"})
        by_header = studio.client.post("/form", data={"word": "a"}, headers={b"X-Grabient-Token": token.encode()})
        assert (by_field.status_code, by_header.status_code) == (403, 403), token
        assert "Nothing was changed" in by_field.text
    by_field = studio.client.post("/form", data={"token": studio.token, "word": "a"}, follow_redirects=False)
    assert by_field.status_code == 303
    assert TAKEN in studio.client.get(by_field.headers["location"]).text
    assert studio.post("/form", {"word": "b"}).json() == {"word": "b", "notice": f"{TAKEN}: b"}
    header_wins = {"X-Grabient-Token": "wrong"}
    assert studio.client.post("/form", data={"token": studio.token}, headers=header_wins).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": f"http://{HOST}"}, 200),
        ({"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "null"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": f"https://{HOST}"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": f"http://localhost:{PORT}"}, 403),
    ],
)
def test_a_form_comes_from_a_page_of_the_studio(studio: Opened, headers: dict[str, str], status: int) -> None:
    assert studio.post("/form", headers=headers).status_code == status


def test_every_response_forbids_what_no_page_needs(studio: Opened) -> None:
    for response in (
        studio.client.get("/page"),
        studio.client.get("/page.json"),
        studio.client.get("/nowhere"),
        studio.client.get("/page", headers={"Host": "evil.example"}),
        studio.client.get("/static/studio.js"),
    ):
        policy = response.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "script-src 'self';" in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cache-control"] == "no-store"


def test_what_is_sent_to_a_form_has_an_end(studio: Opened) -> None:
    large = {"token": studio.token, "word": "x" * 3_000}
    assert studio.client.post("/form", data=large).status_code == 413

    def in_parts():
        for _ in range(30):
            yield b"word=" + b"x" * 100 + b"&"

    headers = {"X-Grabient-Token": studio.token, "Content-Type": "application/x-www-form-urlencoded"}
    assert studio.client.post("/form", content=in_parts(), headers=headers).status_code == 413


def test_only_a_form_takes_a_post(studio: Opened) -> None:
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    assert studio.client.post("/page").status_code == 405
    unguarded = Route("/change", lambda _: PlainTextResponse("done"), methods=["POST"])
    with pytest.raises(ValueError, match="make it a Form"):
        make_application(studio.studio, Access("t", "127.0.0.1", PORT), [unguarded])


def test_texts_are_escaped_and_notices_are_not_in_the_address(studio: Opened) -> None:
    shown = studio.client.get("/page", params={"q": "<script>alert(1)</script>"}).text
    assert "<script>alert" not in shown and "&lt;script&gt;alert" in shown
    done = studio.client.post("/form", data={"token": studio.token, "word": "<b>"}, follow_redirects=False)
    assert "%3C" not in done.headers["location"] and "&lt;b&gt;" in studio.client.get(done.headers["location"]).text
    assert 'class="notice"' not in studio.client.get("/page?notice=hello").text


def test_what_is_missing_and_what_goes_wrong_are_pages(studio: Opened) -> None:
    missing = studio.client.get("/page?q=nothing")
    assert (missing.status_code, "There is no such thing." in missing.text) == (404, True)
    twin = studio.client.get("/page.json?q=nothing")
    assert (twin.status_code, twin.json()) == (404, {"error": "There is no such thing."})
    assert studio.client.get("/nowhere").status_code == 404


def test_a_broken_page_says_so_and_shows_nothing_of_the_code(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def broken(_: Ask) -> dict[str, str]:
        raise KeyError("secret place")

    client: TestClient = opened(tmp_path, [Page("/", "trouble.html", broken)]).client
    shown = client.get("/")
    assert (shown.status_code, "secret place" in shown.text, "KeyError" in shown.text) == (500, False, True)
    assert "secret place" in capfd.readouterr().err
