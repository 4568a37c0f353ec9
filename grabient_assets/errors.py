"""Everything this project raises on purpose, as one tree.

GrabientError                    exit code 1 unless a class says otherwise
├── UsageError                   exit code 2: the command was called with something it cannot take
│   ├── SettingsError            a setting is missing, unknown or outside its limits
│   ├── PaletteFileError         the palette file cannot be read at all, or holds nothing
│   │   └── AmbiguousPaletteError 16 numbers that may be a preset with alpha: a person has to say
│   ├── ExportFileError          an export of an earlier system cannot be read at all, or holds no answers
│   └── SeedError                a seed cannot be read; carries seed and reason
├── PromptError                  a prompt file or prompt version is unusable
│   └── UnknownPromptVersionError  there is no prompt version of that name; exit code 2
├── RegistryError                a model or price file is unusable; a model is unknown or retired
│   └── UnpricedError            no batch price of a model is known, so nothing is sent to it
├── OverBudgetError              there is no money for a request within the budget or the cap
├── WarehouseError               the DuckDB file
│   ├── WarehouseLockedError     another program holds the file and did not let go in time
│   ├── WarehouseReadOnlyError   the file or its folder cannot be written
│   ├── UnfinishedCopyError      `grabient warehouse copy` was stopped while it filled this one
│   └── WarehouseTooNewError     the file was made by a newer version of this project, or of DuckDB
├── RecordsError                 Dagster's records in PostgreSQL cannot be reached or used
├── StoreError                   the object store (local folder or R2)
│   └── StoreUnusableError       no bucket, a refused token, a file in the way: trying again is useless
├── EmbedderError                the embedder of this process lacks its files, or has others
├── ImageError                   a picture cannot be decoded, or is of a kind or size that is not taken
│   ├── RemovedImageError        an image was removed: its row is a tombstone
│   └── MaskError                a mask cannot be read, is for another picture, or lets nothing change
├── ProviderError                a provider's API; carries provider
│   ├── CredentialsError         401, 403, a plan gate, a missing key: this provider stops
│   ├── BatchUnknownError        404 for a batch: the provider does not have it, or not any more
│   ├── ModelUnavailableError    404 or refusal for a model id: this model stops
│   ├── RequestRejectedError     any other 4xx: the request itself is wrong, sending it again is useless
│   │   └── IndexMissingError    404 for an index of vectors
│   ├── ProviderBusyError        429, 5xx, full queue: later; carries retry_after (seconds) when named
│   │   └── InputFileUnseenError the provider does not find the file that was just uploaded
│   ├── ProviderUnreachableError no answer: refused, dropped, timed out
│   ├── AmbiguousSubmissionError a create call ended without an answer: the batch may exist at the provider
│   └── ResultsError             what came back cannot be read, or comes from a host that is not the provider's
│       └── SlowResultsError     a result file did not come whole in the time there was
├── AnnotationsError             answers to be counted together are inconsistent: codes or lengths do not fit
└── EmulatorError                the offline providers did not start or stopped answering

Messages are whole sentences for the person who meets them: what happened, to which seed, file, setting
or batch, and the way out.
"""

from __future__ import annotations

from collections.abc import Sequence


class GrabientError(Exception):
    """Base of every deliberate error. `str(error)` is fit to be shown as it is."""

    exit_code = 1


class UsageError(GrabientError):
    """The caller asked for something that cannot be."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting is missing, unknown or outside its limits."""


class PaletteFileError(UsageError):
    """The palette file cannot be opened, decoded or holds no palette."""


class AmbiguousPaletteError(PaletteFileError):
    """16 numbers of a palette file may be a preset with alpha or a seed with modifiers."""


class ExportFileError(UsageError):
    """The export of an earlier system cannot be opened or decoded, or holds no answers."""


class SeedError(UsageError):
    """A seed string that is not a palette.

    `seed` is the text as it came (cut to 80 characters), `reason` the half sentence why.
    """

    def __init__(self, seed: str, reason: str) -> None:
        self.seed = seed if len(seed) <= 80 else seed[:77] + "..."
        self.reason = reason
        super().__init__(f"Seed {self.seed!r} is not a palette: {reason}.")


class PromptError(GrabientError):
    """A prompt set is missing, unreadable or inconsistent."""


class UnknownPromptVersionError(PromptError):
    """There is no prompt version of that name."""

    exit_code = 2

    def __init__(self, version: str, known: Sequence[str]) -> None:
        there_is = f"there is {', '.join(known)}" if known else "there is none yet"
        super().__init__(f"There is no prompt version {version!r}; {there_is}.")


class RegistryError(GrabientError):
    """The model registry is inconsistent, or a model in it cannot be used."""


class UnpricedError(RegistryError):
    """No price of a model is known for a day, or for prompts of a length."""


class OverBudgetError(GrabientError):
    """No request of a batch fits into the month's budget or the cap it was asked with; nothing was sent."""


class WarehouseError(GrabientError):
    """The DuckDB file cannot be used."""


class WarehouseLockedError(WarehouseError):
    """Another process holds the DuckDB file and did not let go before the deadline."""


class WarehouseReadOnlyError(WarehouseError):
    """The DuckDB file, or the folder it should lie in, cannot be written."""


class UnfinishedCopyError(WarehouseError):
    """The tables are a copy that lacks rows. A program that worked with them would ask and pay for these again."""


class WarehouseTooNewError(WarehouseError):
    """The DuckDB file carries a migration this version does not know, or was written by a newer DuckDB."""


class RecordsError(GrabientError):
    """The PostgreSQL database in which dagster.yaml keeps Dagster's records cannot be reached or used."""


class StoreError(GrabientError):
    """The object store refused or lost an object."""


class StoreUnusableError(StoreError):
    """The object store takes nothing as it is set up. A person has to change a setting or the bucket."""


class EmbedderError(GrabientError):
    """The files of the local embedder are missing, or not those that vectors were made with."""


class ImageError(GrabientError):
    """A picture cannot be decoded, or is of a kind or size that is not taken."""


class RemovedImageError(ImageError):
    """An image that was removed: its row is a tombstone, its bytes are gone."""


class MaskError(ImageError):
    """A mask cannot be read, is for another picture, or lets nothing change."""


class ProviderError(GrabientError):
    """A call to a provider failed. `provider` is anthropic, openai, groq, google or cloudflare."""

    def __init__(self, provider: str, message: str) -> None:
        self.provider = provider
        super().__init__(message)


class CredentialsError(ProviderError):
    """The provider does not accept this key or plan. Nothing sent to it can succeed."""


class BatchUnknownError(ProviderError):
    """The provider has no batch of this id, or not any more."""


class ModelUnavailableError(ProviderError):
    """The provider does not serve this model to this key."""


class RequestRejectedError(ProviderError):
    """The provider says that the request is wrong. Sending the same again is useless."""


class IndexMissingError(RequestRejectedError):
    """The account has no index of vectors of this name."""


class ProviderBusyError(ProviderError):
    """The provider asks to come back later (429, 5xx, full queue)."""

    def __init__(self, provider: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(provider, message)
        self.retry_after = retry_after


class InputFileUnseenError(ProviderBusyError):
    """The provider does not know the file that was uploaded just before. Files have been seen seconds later."""


class ProviderUnreachableError(ProviderError):
    """No answer came: connection refused, dropped or timed out."""


class ResultsError(ProviderError):
    """Results cannot be read, or would have to be fetched from a host that is not the provider's."""


class SlowResultsError(ResultsError):
    """A result file did not come whole in the time there was. Whoever has more time may get it."""


class AmbiguousSubmissionError(ProviderError):
    """A create call ended without an answer. The batch may exist; it must be looked for before another create."""


class AnnotationsError(GrabientError):
    """Codes, lengths or options given to the consensus do not fit together. A mistake of the caller."""


class EmulatorError(GrabientError):
    """The emulator of the providers could not be started or reached."""
