"""Every setting: what it takes, what it refuses and how it says so, and where it comes from."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from grabient_assets import settings as module
from grabient_assets.errors import SettingsError
from grabient_assets.settings import PROJECT_DIR, SETTINGS, load_settings, parse_analyses, setting_values

R2 = {
    "R2_BUCKET": "pictures",
    "R2_ENDPOINT": "https://account.r2.example",
    "R2_ACCESS_KEY_ID": "id-4711",
    "R2_SECRET_ACCESS_KEY": "secret-4712",
}


def test_without_any_setting_everything_has_its_default() -> None:
    found = load_settings({})
    assert (found.mode, found.analyses, found.budget_usd, found.r2) == ("emulator", 2, None, None)
    assert found.data_dir == PROJECT_DIR / ".grabient"
    assert found.database == PROJECT_DIR / ".grabient" / "grabient.duckdb"
    assert found.objects_dir == PROJECT_DIR / ".grabient" / "objects"
    assert found.dagster_home == PROJECT_DIR / ".grabient" / "dagster"
    assert (found.api_keys, found.base_urls) == ({}, {})


@pytest.mark.parametrize("blank", ["", "  ", "\t\n"])
def test_a_blank_value_counts_as_not_set(blank: str) -> None:
    assert load_settings({setting.name: blank for setting in SETTINGS}) == load_settings({})


@pytest.mark.parametrize(("value", "mode"), [("live", "live"), (" emulator ", "emulator")])
def test_modes(value: str, mode: str) -> None:
    assert load_settings({"GRABIENT_MODE": value}).mode == mode


@pytest.mark.parametrize("text", ["1", "20", " 7 "])
def test_analyses(text: str) -> None:
    assert load_settings({"TAG_ANALYSIS_COUNT": text}).analyses == int(text)


@pytest.mark.parametrize("text", ["1", "20", " 7 "])
def test_how_many_sources_are_fetched_at_once(text: str) -> None:
    assert load_settings({}).knowledge_parallel == 5
    assert load_settings({}).edit_timeout_seconds == 1800
    assert load_settings({"EDIT_TIMEOUT_SECONDS": "90"}).edit_timeout_seconds == 90
    assert load_settings({"KNOWLEDGE_PARALLEL": text}).knowledge_parallel == int(text)


def test_youtube_is_youtubes_own_unless_another_is_named() -> None:
    found = load_settings({})
    assert (found.youtube_base_url, found.youtube_proxy_url) == (None, None)
    values = {"YOUTUBE_BASE_URL": "http://localhost:1/yt/", "YOUTUBE_PROXY_URL": "http://ann:proxy-word-1@proxy:3128/"}
    found = load_settings(values)
    assert found.youtube_base_url == "http://localhost:1/yt"
    assert found.youtube_proxy_url == "http://ann:proxy-word-1@proxy:3128"
    assert "proxy-word-1" not in repr(found) + found.without_secrets("cannot reach ann:proxy-word-1 at proxy")
    assert setting_values(values)["YOUTUBE_PROXY_URL"] == "http://(hidden)@proxy:3128/"
    with pytest.raises(SettingsError) as caught:
        load_settings({"YOUTUBE_PROXY_URL": "socks5://ann:proxy-word-1@proxy"})
    assert "proxy-word-1" not in str(caught.value)


@pytest.mark.parametrize(("value", "dollars"), [("25.00", "25"), ("0.005", "0.005"), ("1e3", "1000")])
def test_budgets(value: str, dollars: str) -> None:
    assert load_settings({"GRABIENT_BUDGET_USD": value}).budget_usd == Decimal(dollars)


BAD = [
    ("GRABIENT_MODE", "Live", "it must be emulator or live"),
    ("GRABIENT_MODE", "test", "it must be emulator or live"),
    *(("TAG_ANALYSIS_COUNT", text, "whole number from 1 to 20") for text in ("0", "21", "-1", "2.0", "two", "1e1")),
    *(("GRABIENT_BUDGET_USD", text, "number such as 25.00") for text in ("abc", "$5", "nan", "inf", "sNaN", "5,00")),
    *(("GRABIENT_BUDGET_USD", text, "with no money nothing could ever be sent") for text in ("0", "-0", "0.00")),
    *(("GRABIENT_BUDGET_USD", text, "a sum to be spent is never below 0") for text in ("-1", "-0.01")),
    ("GRABIENT_BUDGET_USD", "0.00000000001", "ten decimals at most"),
    ("GRABIENT_BUDGET_USD", "100000000", "below 100,000,000"),
    ("ANTHROPIC_BASE_URL", "localhost:8080", "http:// or https://"),
    ("OPENAI_BASE_URL", "ftp://x", "http:// or https://"),
    ("GROQ_BASE_URL", "//x", "http:// or https://"),
    ("GOOGLE_GEMINI_BASE_URL", "x", "http:// or https://"),
    ("YOUTUBE_BASE_URL", "www.youtube.com", "http:// or https://"),
    ("YOUTUBE_PROXY_URL", "socks5://x", "http:// or https://"),
    *(("EDIT_TIMEOUT_SECONDS", text, "whole number from 1 to 86400") for text in ("0", "86401", "soon")),
    *(("KNOWLEDGE_PARALLEL", text, "whole number from 1 to 20") for text in ("0", "21", "-1", "2.5", "five")),
]


@pytest.mark.parametrize(("name", "value", "way_out"), BAD)
def test_a_refusal_names_the_setting_the_value_and_the_way_out(name: str, value: str, way_out: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({name: value})
    said = str(caught.value)
    assert said.startswith(f"{name} is {value!r}") and way_out in said and said.endswith(".")
    assert caught.value.exit_code == 2


def test_an_option_is_refused_under_its_own_name() -> None:
    with pytest.raises(SettingsError, match=r"^--analyses is '99'"):
        parse_analyses(99, "--analyses")


def test_the_data_folder(tmp_path: Path) -> None:
    assert load_settings({"GRABIENT_DATA_DIR": "other/place"}).data_dir == PROJECT_DIR / "other/place"
    assert load_settings({"GRABIENT_DATA_DIR": str(tmp_path)}).data_dir == tmp_path
    assert load_settings({"GRABIENT_DATA_DIR": "~/grabient"}).data_dir == Path.home() / "grabient"
    home = load_settings({"GRABIENT_DATA_DIR": str(tmp_path), "DAGSTER_HOME": "/srv/dagster"}).dagster_home
    assert home == Path("/srv/dagster")


def test_the_refiner_is_the_registrys_unless_one_is_named() -> None:
    assert load_settings({}).refiner is None
    assert load_settings({"GRABIENT_REFINER": ""}).refiner is None
    assert load_settings({"GRABIENT_REFINER": "claude-opus-5"}).refiner == "claude-opus-5"


def test_keys_and_the_two_other_names_of_the_google_key() -> None:
    names = {
        "ANTHROPIC_API_KEY": "a",
        "OPENAI_API_KEY": "o",
        "GROQ_API_KEY": "q",
        "GEMINI_API_KEY": "third",
        "GOOGLE_API_KEY": "second",
        "GOOGLE_GENERATIVE_AI_API_KEY": "first",
    }
    expected = {"anthropic": "a", "openai": "o", "groq": "q"}
    for name in ("GOOGLE_GENERATIVE_AI_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
        found = load_settings(names)
        assert found.api_keys == {**expected, "google": names.pop(name)}
        assert found.key_names("google")[0] == "GOOGLE_GENERATIVE_AI_API_KEY"
    assert load_settings(names).api_keys == expected


def test_base_urls_lose_their_trailing_slash() -> None:
    urls = {"ANTHROPIC_BASE_URL": "http://localhost:1/", "OPENAI_BASE_URL": "https://x/v1"}
    assert load_settings(urls).base_urls == {"anthropic": "http://localhost:1", "openai": "https://x/v1"}


@pytest.mark.parametrize("missing", ["R2_ENDPOINT", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"])
def test_r2_half_set_names_what_is_missing(missing: str) -> None:
    with pytest.raises(SettingsError, match=f"R2_BUCKET is set but {missing} is not. Set what is missing, or unset"):
        load_settings({name: value for name, value in R2.items() if name != missing})


def test_r2() -> None:
    found = load_settings({**R2, "R2_PUBLIC_URL": "https://images.example/"}).r2
    assert found is not None
    assert (found.bucket, found.endpoint) == ("pictures", "https://account.r2.example")
    assert (found.access_key_id, found.secret_access_key) == ("id-4711", "secret-4712")
    assert found.public_url == "https://images.example"
    assert load_settings({name: value for name, value in R2.items() if name != "R2_BUCKET"}).r2 is None
    for name in ("R2_ENDPOINT", "R2_PUBLIC_URL"):
        with pytest.raises(SettingsError, match=f"{name} is 'r2.example'"):
            load_settings({**R2, name: "r2.example"})


VECTORIZE = {"VECTORIZE_INDEX": "words", "CLOUDFLARE_ACCOUNT_ID": "0a1b", "CLOUDFLARE_API_TOKEN": "token-4713"}


def test_vectorize() -> None:
    found = load_settings(VECTORIZE).vectorize
    assert found is not None and (found.index, found.account, found.token) == ("words", "0a1b", "token-4713")
    assert found.base_url == "https://api.cloudflare.com/client/v4"
    other = load_settings({**VECTORIZE, "CLOUDFLARE_BASE_URL": "http://localhost:1/client/v4/"}).vectorize
    assert other is not None and other.base_url == "http://localhost:1/client/v4"
    assert load_settings({**VECTORIZE, "VECTORIZE_INDEX": ""}).vectorize is None


def test_the_index_of_knowledge_has_a_name_of_its_own() -> None:
    named = {**VECTORIZE, "VECTORIZE_KNOWLEDGE_INDEX": "talks"}
    found = load_settings(named).vectorize
    assert found is not None and (found.index, found.knowledge_index) == ("words", "talks")
    alone = load_settings({**named, "VECTORIZE_INDEX": ""}).vectorize
    assert alone is not None and (alone.index, alone.knowledge_index) == (None, "talks")
    with pytest.raises(SettingsError, match="VECTORIZE_INDEX and VECTORIZE_KNOWLEDGE_INDEX are both 'words'"):
        load_settings({**named, "VECTORIZE_KNOWLEDGE_INDEX": "words"})
    with pytest.raises(SettingsError, match="VECTORIZE_KNOWLEDGE_INDEX is set but CLOUDFLARE_API_TOKEN is not"):
        load_settings({**named, "VECTORIZE_INDEX": "", "CLOUDFLARE_API_TOKEN": ""})


@pytest.mark.parametrize("mode", ["emulator", "live"])
def test_vectorize_half_set_names_what_is_missing(mode: str) -> None:
    token = {**VECTORIZE, "GRABIENT_MODE": mode, "CLOUDFLARE_API_TOKEN": ""}
    with pytest.raises(SettingsError, match=r"VECTORIZE_INDEX is set but CLOUDFLARE_API_TOKEN is not\. Set what is"):
        load_settings(token)
    with pytest.raises(SettingsError, match="but CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN are not"):
        load_settings({**token, "CLOUDFLARE_ACCOUNT_ID": ""})


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("VECTORIZE_INDEX", "My Index", "the name of an index alone"),
        ("VECTORIZE_INDEX", "a/b", "the name of an index alone"),
        ("VECTORIZE_INDEX", "x" * 65, "at most 64"),
        ("VECTORIZE_KNOWLEDGE_INDEX", "My Index", "the name of an index alone"),
        ("CLOUDFLARE_ACCOUNT_ID", "<account>", "the account id alone"),
        ("CLOUDFLARE_ACCOUNT_ID", "accounts/0a1b", "the account id alone"),
        ("CLOUDFLARE_BASE_URL", "api.cloudflare.com", "must begin with http:// or https://"),
        ("CLOUDFLARE_BASE_URL", "http://api.example.com", "over the internet it must begin with https://"),
    ],
)
def test_what_is_no_index_account_or_address(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is {re.escape(repr(value))}; .*{says}"):
        load_settings({**VECTORIZE, name: value})


ACCOUNT = "0123456789abcdef0123456789abcdef"
ENDPOINTS = [
    ("https://<account>.r2.cloudflarestorage.com", "'<' is left of an example"),
    ("https://{account}.r2.cloudflarestorage.com", "'{' is left of an example"),
    ("https://$ACCOUNT.r2.cloudflarestorage.com", "is left of an example"),
    ("https://YOUR_ACCOUNT_ID.r2.cloudflarestorage.com", "'YOUR_ACCOUNT' is left of an example"),
    ("https://ACCOUNT_ID.r2.cloudflarestorage.com", "'ACCOUNT_ID' is left of an example"),
    (f"{ACCOUNT}.r2.cloudflarestorage.com", "must begin with http:// or https://"),
    (f"s3://{ACCOUNT}.r2.cloudflarestorage.com", "must begin with http:// or https://"),
    (f"http://{ACCOUNT}.r2.cloudflarestorage.com", "over the internet it must begin with https://"),
    ("http://s3.example.com", "over the internet it must begin with https://"),
    ("http://8.8.8.8:9000", "over the internet it must begin with https://"),
    ("https://", "it must be an address such as https://host"),
    ("https://[::1", "it must be an address such as https://host"),
    ("https://host:port", "it must be an address such as https://host"),
    ("https://my host.example", "it must be an address such as https://host"),
    (f"https://{ACCOUNT}.r2.cloudflarestorage.com/pictures", "leave the bucket out of it, R2_BUCKET names it"),
    (f"https://pictures.{ACCOUNT}.r2.cloudflarestorage.com", "leave the bucket out of it, R2_BUCKET names it"),
    ("https://s3.example.com/pictures/", "leave the bucket out of it, R2_BUCKET names it"),
    (f"https://{ACCOUNT}.r2.cloudflarestorage.com/other", "is not the endpoint of an account"),
    ("https://r2.cloudflarestorage.com", "is not the endpoint of an account"),
    ("https://mycompany.r2.cloudflarestorage.com", "is not the endpoint of an account"),
    (f"https://{ACCOUNT[:-1]}.r2.cloudflarestorage.com", "is not the endpoint of an account"),
    ("https://pub-0123.r2.dev", "is a public page, not the S3 API"),
    (f"https://dash.cloudflare.com/{ACCOUNT}/r2", "is a public page, not the S3 API"),
    ("https://s3.example.com?region=auto", "leave out what begins with ? or #"),
    ("https://s3.example.com/#top", "leave out what begins with ? or #"),
]


@pytest.mark.parametrize(("value", "says"), ENDPOINTS)
def test_what_is_not_the_endpoint_of_an_account(value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=f"^R2_ENDPOINT is {re.escape(repr(value))}.*{re.escape(says)}"):
        load_settings({**R2, "R2_ENDPOINT": value})


@pytest.mark.parametrize(
    "value",
    [
        f"https://{ACCOUNT}.r2.cloudflarestorage.com",
        f"https://{ACCOUNT.upper()}.R2.cloudflarestorage.com/",
        f"https://{ACCOUNT}.eu.r2.cloudflarestorage.com",
        "https://s3.eu-central-1.amazonaws.com",
        "https://project.storage.example.com/storage/v1/s3",
        "http://localhost:9000",
        "http://127.0.0.1:9000/",
        "http://[::1]:9000",
        "http://192.168.1.20:9000",
        "http://minio:9000",
        "http://nas.local",
    ],
)
def test_endpoints(value: str) -> None:
    found = load_settings({**R2, "R2_ENDPOINT": value}).r2
    assert found is not None and found.endpoint == value.rstrip("/")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("https://pub-<id>.r2.dev", "is left of an example"),
        ("http://images.example.com", "over the internet it must begin with https://"),
        (f"https://{ACCOUNT}.r2.cloudflarestorage.com/pictures", "where nobody can fetch a picture without a key"),
        ("https://dash.cloudflare.com/x", "where nobody can fetch a picture without a key"),
        ("https://images.example.com/?v=1", "leave out what begins with ? or #"),
        ("images.example.com", "must begin with http:// or https://"),
    ],
)
def test_what_is_no_public_address(value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=f"^R2_PUBLIC_URL is {re.escape(repr(value))}.*{re.escape(says)}"):
        load_settings({**R2, "R2_PUBLIC_URL": value})


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    for name in ("R2_ENDPOINT", "R2_PUBLIC_URL"):
        with pytest.raises(SettingsError, match=f"{name} .*must hold no user name or password") as caught:
            load_settings({**R2, name: "https://somebody:hunter2@s3.example.com"})
        assert "hunter2" not in str(caught.value) and "somebody" not in str(caught.value)
        with pytest.raises(SettingsError) as caught:
            load_settings(
                {
                    **R2,
                    name: "https://r2.cloudflarestorage.com/secret-4712/gsk-0123456789abcdef",
                    "GROQ_API_KEY": "gsk-0123456789abcdef",
                }
            )
        assert "secret-4712" not in str(caught.value) and "gsk-01" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["b", "Pictures", "my bucket", "my_bucket", "pictures/raw", "s3://pictures", "-b-", "x" * 64, '"pictures"']
)
def test_what_is_no_name_of_a_bucket(value: str) -> None:
    with pytest.raises(SettingsError, match=f"^R2_BUCKET is {re.escape(repr(value))}; .* the name of a bucket alone"):
        load_settings({**R2, "R2_BUCKET": value})


def test_only_r2_takes_no_dots_in_a_bucket() -> None:
    dotted = {**R2, "R2_BUCKET": "images.example.com"}
    assert load_settings({**dotted, "R2_ENDPOINT": "https://s3.example.com"}).r2 is not None
    with pytest.raises(SettingsError, match="R2_BUCKET is 'images"):
        load_settings({**dotted, "R2_ENDPOINT": f"https://{ACCOUNT}.r2.cloudflarestorage.com"})


def test_folders_are_the_same_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    for name, found in (
        ("GRABIENT_DATA_DIR", lambda s: s.data_dir),
        ("DAGSTER_HOME", lambda s: s.dagster_home),
    ):
        folders: dict[str, Path] = {
            "data": PROJECT_DIR / "data",
            "./data/deep": PROJECT_DIR / "data/deep",
            "~": tmp_path / "me",
            "~/data": tmp_path / "me/data",
            "/srv/a b#c'd\"e ü 🎨 100% ~x": Path("/srv/a b#c'd\"e ü 🎨 100% ~x"),
        }
        assert {text: found(load_settings({name: text})) for text in folders} == folders
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["GRABIENT_DATA_DIR", "DAGSTER_HOME"])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("/srv/a?b", "take what follows ? for options. Choose another name for the folder"),
        ("a%20b", "SQLite takes % with two digits"),
        ("/srv/a%2Fb/c", "SQLite takes % with two digits"),
        ("/srv/a\nb", "it has a line break"),
        ("/srv/a\udcffb", "a byte that is not UTF-8"),
        ("~nobody-of-this-name/data", "nobody here has that home folder"),
        ("/srv/~/data", "~ counts at its beginning only"),
        ("$HOME/data", "$VARIABLES are not filled in here. Write the path out"),
    ],
)
def test_folders_that_would_become_others_are_refused(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)) as caught:
        load_settings({name: value})
    assert str(caught.value).startswith(name)


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"]
)
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("sk-abc\nsk-def", "a blank or line break"),
        ("sk-abc # mine", "a blank or line break"),
        ("“sk-abcdef”", "the character U+201C"),
        ("sk-\u0430bc", "the character U+0430"),
        ("sk-abc\u200b", "the character U+200B"),
        ("sk-\x00abc", "the character U+0000"),
        ("sk-\udcffabc", "the character U+DCFF"),
    ],
)
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} holds {re.escape(says)}, which no key has") as caught:
        load_settings({name: value})
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("url", ["hooks.example.com/T0/B0/x", "ftp://x/y", "https://", "https:///x", "https://a b"])
def test_a_webhook_that_is_none_is_not_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="GRABIENT_NOTIFY_URL is not the address of a webhook") as caught:
        load_settings({"GRABIENT_NOTIFY_URL": url})
    assert url.removeprefix("https://") not in str(caught.value) or url == "https://"
    assert load_settings({"GRABIENT_NOTIFY_URL": "https://a/b"}).notify_url == "https://a/b"
    assert load_settings({}).notify_url is None


def test_secrets_show_nowhere() -> None:
    secrets = {setting.name: f"hidden-{n}" for n, setting in enumerate(SETTINGS) if setting.secret}
    secrets["GRABIENT_NOTIFY_URL"] = "https://hooks.example.com/T0/B0/hidden-webhook"
    r2 = {"R2_BUCKET": "pictures", "R2_ENDPOINT": "https://x"}
    values = {**secrets, **r2, "VECTORIZE_INDEX": "words", "CLOUDFLARE_ACCOUNT_ID": "0a1b"}
    values["GRABIENT_WAREHOUSE"] = "postgresql://grabient@db.example.com/warehouse"
    assert len(secrets) == 9
    found = load_settings(values)
    assert "hidden" not in repr(found) + str(found) + repr(found.r2) + repr(found.vectorize) + repr(found.postgres)
    assert "hidden-" not in found.without_secrets(" ".join(secrets.values()))
    shown = setting_values(values)
    assert {shown[name] for name in secrets} == {"(set)"}
    assert shown["R2_BUCKET"] == "pictures" and shown["GRABIENT_MODE"] == "emulator" and shown["GROQ_BASE_URL"] == ""
    assert list(shown) == [setting.name for setting in SETTINGS]


def in_a_project(folder: Path, dotenv: str, **environ: str) -> dict[str, str]:
    """What a project in `folder` reads from its `.env` and this environment, asked in a process of its own."""
    package = folder / "grabient_assets"
    package.mkdir()
    source = Path(module.__file__).parent
    for name in ("__init__.py", "settings.py", "places.py", "errors.py"):
        shutil.copy(source / name, package / name)
    (folder / ".env").write_text(dotenv, encoding="utf-8")
    ours = {setting.name for setting in SETTINGS} | {"GOOGLE_API_KEY", "GEMINI_API_KEY", "DAGSTER_HOME"}
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    code = "import json; from grabient_assets.settings import setting_values; print(json.dumps(setting_values()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, **environ, "PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_environment_goes_before_the_file_and_a_blank_one_does_not(tmp_path: Path) -> None:
    dotenv = "GRABIENT_MODE=live\nTAG_ANALYSIS_COUNT = 5\nGRABIENT_BUDGET_USD=\nR2_BUCKET='my bucket'\n# GROQ_API_KEY=x"
    found = in_a_project(tmp_path, dotenv, TAG_ANALYSIS_COUNT="9", GRABIENT_MODE="")
    assert found["TAG_ANALYSIS_COUNT"] == "9"
    assert found["GRABIENT_MODE"] == "live"
    assert (found["GRABIENT_BUDGET_USD"], found["R2_BUCKET"], found["GROQ_API_KEY"]) == ("", "my bucket", "")
