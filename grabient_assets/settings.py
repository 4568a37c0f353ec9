"""Every setting, and the only place that reads the environment.

A setting comes from the process environment or, where that is silent, from `.env` in the project folder (places.py).
An empty value counts as not set. `load_settings()` reads when it is called, so importing this module costs nothing.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import unquote

from grabient_assets.errors import SettingsError
from grabient_assets.places import PROJECT_DIR as PROJECT_DIR
from grabient_assets.places import SHIPPED_PROMPTS, project_dir
from grabient_assets.postgres_settings import SCHEMES, PostgresAddress, parse_postgres, read_postgres
from grabient_assets.r2_settings import R2Settings, read_r2
from grabient_assets.secrets import hide
from grabient_assets.vectorize_settings import CLOUDFLARE_URL, VectorizeSettings, read_vectorize

Mode = Literal["emulator", "live"]
Method = Literal["majority", "one-coin", "full"]
"""How the values of a consensus are ranked: by votes, or by their probability under one of two models of errors."""
BatchReports = Literal["each", "once", "summary"]
"""What Dagster is told about the requests of each subject: when they are sent and when they are answered, only the
latter, or sums of each run."""

Provider = Literal["anthropic", "openai", "groq", "google"]
PROVIDERS = get_args(Provider)
DATABASE = "grabient.duckdb"
"""The DuckDB file in a data folder."""
MOST_DOLLARS = 100_000_000
"""The ledger holds eight digits before the point."""
ANALYSES = range(1, 21)
"""How often one model may be asked about one palette (the source documents' 1-20)."""
PARALLEL = range(1, 21)
"""How many sources may be fetched at the same time."""
EDIT_SECONDS = range(1, 86_401)
"""How long a call of an image editor may take."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of `.env.example` and of `grabient settings`."""

    name: str
    default: str
    meaning: str
    secret: bool = False


SETTINGS = (
    Setting("GRABIENT_MODE", "emulator", "emulator (offline, free) or live (the four providers, real money)"),
    Setting(
        "GRABIENT_DATA_DIR",
        ".grabient",
        "where everything is written; relative to the project folder, or once installed to the current folder",
    ),
    Setting(
        "GRABIENT_WAREHOUSE",
        "",
        "the tables lie in this database, postgresql://user@host/database; empty: in a DuckDB file of the data folder",
    ),
    Setting("PGPASSWORD", "", "the password for that database; ~/.pgpass works too", secret=True),
    Setting("TAG_ANALYSIS_COUNT", "2", "how often each model is asked about each palette, 1-20"),
    Setting(
        "GRABIENT_PROMPT_VERSION",
        "v1",
        "the folder of prompts/ that commands use; another one asks about every palette again",
    ),
    Setting("GRABIENT_PROMPTS_DIR", "", "another folder of prompt versions; empty: the project's own prompts/"),
    Setting("GRABIENT_CONSENSUS", "majority", "what ranks the values the refiner reads: majority, one-coin or full"),
    Setting("GRABIENT_REFINER", "", "the model that refines; empty: the registry's, see `grabient models --all`"),
    Setting("GRABIENT_EMBEDDER", "local", "what makes vectors: local (offline, free), or a model id of role embedder"),
    Setting(
        "GRABIENT_BATCH_REPORTS",
        "each",
        "how often batch assets report a palette: each (sent, answered), once (answered), summary (sums of a run)",
    ),
    Setting("ANTHROPIC_API_KEY", "", "live mode: Anthropic", secret=True),
    Setting("OPENAI_API_KEY", "", "live mode: OpenAI", secret=True),
    Setting("GROQ_API_KEY", "", "live mode: Groq", secret=True),
    Setting(
        "GOOGLE_GENERATIVE_AI_API_KEY", "", "live mode: Google; GOOGLE_API_KEY, GEMINI_API_KEY work too", secret=True
    ),
    Setting("ANTHROPIC_BASE_URL", "", "live mode: another server that speaks this API (host)"),
    Setting("OPENAI_BASE_URL", "", "live mode: another server that speaks this API (host and /v1)"),
    Setting("GROQ_BASE_URL", "", "live mode: another server that speaks this API (host)"),
    Setting("GOOGLE_GEMINI_BASE_URL", "", "live mode: another server that speaks this API (host)"),
    Setting("R2_BUCKET", "", "objects go to this bucket instead of the data folder"),
    Setting("R2_ENDPOINT", "", "the S3 API of the account, https://<account>.r2.cloudflarestorage.com"),
    Setting("R2_ACCESS_KEY_ID", "", "R2 token", secret=True),
    Setting("R2_SECRET_ACCESS_KEY", "", "R2 token", secret=True),
    Setting("R2_PUBLIC_URL", "", "where the bucket is public, e.g. https://images.example.com"),
    Setting(
        "VECTORIZE_INDEX", "", "vectors are kept in this index of Cloudflare Vectorize too; `search --remote` asks it"
    ),
    Setting(
        "VECTORIZE_KNOWLEDGE_INDEX",
        "",
        "the same for knowledge; in live mode `grabient knowledge search` asks this index of Cloudflare Vectorize",
    ),
    Setting("CLOUDFLARE_ACCOUNT_ID", "", "the account that the index belongs to"),
    Setting("CLOUDFLARE_API_TOKEN", "", "Cloudflare: a token that may edit Vectorize", secret=True),
    Setting("CLOUDFLARE_BASE_URL", CLOUDFLARE_URL, "another server that speaks Cloudflare's API (host and path)"),
    Setting("YOUTUBE_BASE_URL", "", "live mode: another server that answers as www.youtube.com does (host)"),
    Setting("YOUTUBE_PROXY_URL", "", "live mode: the HTTP proxy for transcripts; YouTube refuses most cloud hosts"),
    Setting("KNOWLEDGE_PARALLEL", "5", "how many sources are fetched at the same time, in all processes, 1-20"),
    Setting("EDIT_TIMEOUT_SECONDS", "1800", "how long one call of an image editor may take, in seconds, 1-86400"),
    Setting("GRABIENT_BUDGET_USD", "", "the most to spend in a calendar month (UTC), in dollars; empty: no limit"),
    Setting("GRABIENT_NOTIFY_URL", "", "a webhook (Slack and others) that is told what happened", secret=True),
)

_KEY_NAMES: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "google": ("GOOGLE_GENERATIVE_AI_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"),
}
_URL_NAMES: Mapping[str, str] = {
    "anthropic": "ANTHROPIC_BASE_URL",
    "openai": "OPENAI_BASE_URL",
    "groq": "GROQ_BASE_URL",
    "google": "GOOGLE_GEMINI_BASE_URL",
}

_SECRET_NAMES = {*(s.name for s in SETTINGS if s.secret), *(name for names in _KEY_NAMES.values() for name in names)}
HIDDEN = "(hidden)"
_USER_OF_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*://)[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Settings:
    """One consistent reading of the environment. Secrets never show in its repr."""

    mode: Mode
    data_dir: Path
    analyses: int
    prompt_version: str
    consensus: Method
    refiner: str | None
    """The id of the model that refines; None: the one of the registry's panel."""
    embedder: str
    """`local`, or the id of a model."""
    api_keys: Mapping[str, str] = field(repr=False)
    base_urls: Mapping[str, str]
    r2: R2Settings | None
    budget_usd: Decimal | None
    dagster_home: Path
    postgres: PostgresAddress | None = None
    """Where the tables lie; None: in the DuckDB file of the data folder."""
    vectorize: VectorizeSettings | None = None
    notify_url: str | None = field(default=None, repr=False)
    youtube_base_url: str | None = None
    youtube_proxy_url: str | None = field(default=None, repr=False)
    """It may hold a user and a password."""
    knowledge_parallel: int = 5
    edit_timeout_seconds: int = 1800
    batch_reports: BatchReports = "each"

    @property
    def database(self) -> Path:
        """The DuckDB file, where the tables lie unless `postgres` is set."""
        return self.data_dir / DATABASE

    @property
    def warehouse(self) -> Path | PostgresAddress:
        """Where the tables lie."""
        return self.postgres or self.database

    @property
    def objects_dir(self) -> Path:
        """The local folder store, used when R2 is not set."""
        return self.data_dir / "objects"

    def without_secrets(self, text: str) -> str:
        """`text` without the keys, tokens and the webhook of these settings, and without user names and passwords in
        addresses."""
        r2 = (self.r2.access_key_id, self.r2.secret_access_key) if self.r2 else ()
        vectorize = (self.vectorize.token,) if self.vectorize else ()
        webhook = (self.notify_url,) if self.notify_url else ()
        postgres = (self.postgres.password,) if self.postgres and self.postgres.password else ()
        others = (*r2, *vectorize, *webhook, *postgres, *_user_of(self.youtube_proxy_url))
        return _without([*self.api_keys.values(), *others], text)

    def key_names(self, provider: str) -> tuple[str, ...]:
        """The environment names under which this provider's key may stand, the preferred one first."""
        return _KEY_NAMES[provider]


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check every setting. Raises SettingsError with the name of the setting and the way out."""
    values = _values(environ)
    _check_tokens(values)
    return Settings(
        mode=_mode(values),
        data_dir=(data_dir := _folder("GRABIENT_DATA_DIR", values.get("GRABIENT_DATA_DIR", ".grabient"))),
        analyses=parse_analyses(values.get("TAG_ANALYSIS_COUNT", "2"), "TAG_ANALYSIS_COUNT"),
        prompt_version=values.get("GRABIENT_PROMPT_VERSION", "v1"),
        consensus=_consensus(values),
        refiner=values.get("GRABIENT_REFINER"),
        embedder=values.get("GRABIENT_EMBEDDER", "local"),
        api_keys={
            provider: key
            for provider, names in _KEY_NAMES.items()
            if (key := next((values[name] for name in names if name in values), None))
        },
        base_urls={p: values[n].rstrip("/") for p, n in _URL_NAMES.items() if _checked_url(values, n)},
        r2=read_r2(values, lambda name: _shown(values, name)),
        budget_usd=_budget(values),
        dagster_home=(
            _folder("DAGSTER_HOME", values["DAGSTER_HOME"]) if "DAGSTER_HOME" in values else data_dir / "dagster"
        ),
        postgres=read_postgres(values),
        vectorize=read_vectorize(values, lambda name: _shown(values, name)),
        notify_url=_notify_url(values),
        youtube_base_url=_address(values, "YOUTUBE_BASE_URL"),
        youtube_proxy_url=_address(values, "YOUTUBE_PROXY_URL"),
        knowledge_parallel=_whole_number(values, "KNOWLEDGE_PARALLEL", "5", PARALLEL),
        edit_timeout_seconds=_whole_number(values, "EDIT_TIMEOUT_SECONDS", "1800", EDIT_SECONDS),
        batch_reports=_batch_reports(values),
    )


def prompts_dir(environ: Mapping[str, str] | None = None) -> Path:
    """The folder of the prompt versions: that of GRABIENT_PROMPTS_DIR, or what the program came with.

    It may be missing; who reads prompts says so. Raises SettingsError for text that is no path.
    """
    folder = _values(environ).get("GRABIENT_PROMPTS_DIR")
    return SHIPPED_PROMPTS if folder is None else _path("GRABIENT_PROMPTS_DIR", folder)


def setting_values(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What each setting is now, for people: defaults filled in, secrets replaced by a mark that they are set."""
    values = _values(environ)
    secrets = [values[name] for name in _SECRET_NAMES if name in values]
    shown: dict[str, str] = {}
    for setting in SETTINGS:
        value = values.get(setting.name)
        shown[setting.name] = ("(set)" if setting.secret else _without(secrets, value)) if value else setting.default
    return shown


def env_example_text() -> str:
    """The text of `.env.example`: every setting with its meaning and default."""
    lines = ["# Copy to .env and change what you need. Variables of the environment win over this file."]
    for setting in SETTINGS:
        lines += ["", f"# {setting.meaning}", f"{setting.name}={setting.default}"]
    return "\n".join(lines) + "\n"


def parse_place(text: str, name: str, environ: Mapping[str, str] | None = None) -> Path | PostgresAddress:
    """The warehouse that a person typed: the address of a database, a DuckDB file, or a data folder, which holds one.

    `name` is the argument it came from. PGPASSWORD is the password. Raises SettingsError for an address with a password
    in it, which everybody on the machine can read in the list of processes.
    """
    if "://" not in text and text.partition(":")[0] not in SCHEMES:
        path = Path(text).expanduser().absolute()
        is_folder = path.is_dir() or text.endswith("/") or (not path.suffix and not path.exists())
        return path / DATABASE if is_folder else path
    address = parse_postgres(text, name)
    if address.password is not None:
        raise SettingsError(
            f"{name} holds a password, which everybody on this machine can read in the list of processes. Leave it out "
            "and set PGPASSWORD; two databases with different passwords need a line each in ~/.pgpass."
        )
    return parse_postgres(text, name, _values(environ).get("PGPASSWORD"))


def parse_analyses(text: str | int, name: str) -> int:
    """An analysis count from 1 to 20. `name` is the setting or option it came from."""
    try:
        count = int(str(text).strip())
    except ValueError:
        count = 0
    if count not in ANALYSES:
        raise SettingsError(f"{name} is {str(text)!r}; it must be a whole number from {ANALYSES[0]} to {ANALYSES[-1]}.")
    return count


def _without(secrets: Iterable[str], text: str) -> str:
    for secret in secrets:
        text = hide(text, secret, HIDDEN)
    return _USER_OF_ADDRESS.sub(rf"\1{HIDDEN}@", text)


def parse_dollars(text: str, name: str, without: str) -> Decimal:
    """A sum to be spent. `name` is the setting or option it came from, `without` how one does without it.

    Raises SettingsError for what is no number, not more than 0, or more than the ledger can hold.
    """
    try:
        dollars = Decimal(text)
    except InvalidOperation:
        dollars = Decimal("NaN")
    if not dollars.is_finite():
        raise SettingsError(f"{name} is {text!r}; it must be dollars as a plain number such as 25.00. {without}.")
    if dollars < 0:
        raise SettingsError(f"{name} is {text!r}; a sum to be spent is never below 0. {without}.")
    if dollars == 0:
        raise SettingsError(f"{name} is {text!r}; with no money nothing could ever be sent. {without}.")
    if dollars >= MOST_DOLLARS or dollars != round(dollars, 10):
        raise SettingsError(f"{name} is {text!r}; it must be below {MOST_DOLLARS:,} and have ten decimals at most.")
    return dollars


def parse_cap(text: str | None) -> Decimal | None:
    """The value of --max-usd; None when it is not given. Raises SettingsError."""
    return None if text is None else parse_dollars(text, "--max-usd", "Leave it out to run without a cap")


def _values(environ: Mapping[str, str] | None) -> dict[str, str]:
    if environ is None:
        from dotenv import dotenv_values

        from_file = {k: v for k, v in dotenv_values(project_dir() / ".env").items() if v is not None}
        return _set_values(from_file) | _set_values(os.environ)
    return _set_values(environ)


def environment_value(name: str) -> str | None:
    """The variable that another program's configuration names, as dagster.yaml does; None when it is not set."""
    return os.environ.get(name)


def _set_values(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value.strip() for name, value in environ.items() if value.strip()}


def _check_tokens(values: Mapping[str, str]) -> None:
    """Raise SettingsError for a key that no HTTP header can carry. What it is instead is not shown."""
    for name in sorted((_SECRET_NAMES - {"GRABIENT_NOTIFY_URL", "PGPASSWORD"}) & values.keys()):
        if strange := re.search(r"[^!-~]", values[name]):
            what = "a blank or line break" if strange[0].isspace() else f"the character U+{ord(strange[0]):04X}"
            raise SettingsError(
                f"{name} holds {what}, which no key has. Copy the key again, alone and without quotation marks."
            )


def _mode(values: Mapping[str, str]) -> Mode:
    mode = values.get("GRABIENT_MODE", "emulator")
    if mode == "emulator" or mode == "live":
        return mode
    raise SettingsError(f"GRABIENT_MODE is {mode!r}; it must be emulator or live.")


def _consensus(values: Mapping[str, str]) -> Method:
    method = values.get("GRABIENT_CONSENSUS", "majority")
    if method == "majority" or method == "one-coin" or method == "full":
        return method
    raise SettingsError(f"GRABIENT_CONSENSUS is {method!r}; it must be majority, one-coin or full.")


def _batch_reports(values: Mapping[str, str]) -> BatchReports:
    how = values.get("GRABIENT_BATCH_REPORTS", "each")
    if how == "each" or how == "once" or how == "summary":
        return how
    raise SettingsError(f"GRABIENT_BATCH_REPORTS is {how!r}; it must be each, once or summary.")


def _folder(name: str, text: str) -> Path:
    """The path of that setting, without what DuckDB and Dagster's SQLite storage would take for something else than a
    part of it."""
    path = _path(name, text)
    if "?" in str(path):
        cause = "DuckDB and SQLite take what follows ? for options"
    elif unquote(str(path)) != str(path):
        cause = "SQLite takes % with two digits, as in %20, for another character"
    elif any(unicodedata.category(character) in ("Cc", "Cs") for character in str(path)):
        cause = "it has a line break, another control character or a byte that is not UTF-8"
    else:
        return path
    raise SettingsError(f"{name} leads to {str(path)!r}; {cause}. Choose another name for the folder, or a link to it.")


def _path(name: str, text: str) -> Path:
    """The folder of that setting. In a checkout it is the same from wherever a command or daemon is started."""
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise SettingsError(f"{name} is {text!r}; nobody here has that home folder. Write the path out.") from None
    path = project_dir() / path
    if "~" in path.parts or any(part.startswith("$") for part in path.parts):
        raise SettingsError(
            f"{name} is {text!r}; ~ counts at its beginning only, and $VARIABLES are not filled in here. Write the "
            "path out."
        )
    return path


def _checked_url(values: Mapping[str, str], name: str) -> bool:
    if name not in values:
        return False
    if not values[name].startswith(("http://", "https://")):
        raise SettingsError(f"{name} is {_shown(values, name)!r}; it must begin with http:// or https://.")
    return True


def _address(values: Mapping[str, str], name: str) -> str | None:
    return values[name].rstrip("/") if _checked_url(values, name) else None


def _user_of(address: str | None) -> tuple[str, ...]:
    """User and password of an address, as they stand in it; nothing where it has none."""
    found = None if address is None else _USER_OF_ADDRESS.match(address)
    return () if found is None else (found[0].partition("://")[2].rstrip("@"),)


def _whole_number(values: Mapping[str, str], name: str, usual: str, allowed: range) -> int:
    text = values.get(name, usual)
    try:
        count = int(text)
    except ValueError:
        count = allowed.start - 1
    if count not in allowed:
        raise SettingsError(f"{name} is {text!r}; it must be a whole number from {allowed[0]} to {allowed[-1]}.")
    return count


def _shown(values: Mapping[str, str], name: str) -> str:
    return _without([values[secret] for secret in _SECRET_NAMES if secret in values], values[name])


def _notify_url(values: Mapping[str, str]) -> str | None:
    """Who knows the address of a webhook can write to it, so a wrong one is not shown either."""
    url = values.get("GRABIENT_NOTIFY_URL")
    if url is not None and not re.fullmatch(r"https?://[^\s/]+\S*", url):
        raise SettingsError(
            "GRABIENT_NOTIFY_URL is not the address of a webhook; it must begin with http:// or https:// and have no "
            "blanks. Leave it empty to tell nobody."
        )
    return url


def _budget(values: Mapping[str, str]) -> Decimal | None:
    text = values.get("GRABIENT_BUDGET_USD")
    return (
        None if text is None else parse_dollars(text, "GRABIENT_BUDGET_USD", "Leave it empty to spend without a limit")
    )
