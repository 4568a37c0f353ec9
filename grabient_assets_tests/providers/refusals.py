"""Answers to a call that a provider refuses, by what is wrong, and the error that each becomes."""

from __future__ import annotations

from grabient_assets.errors import (
    AmbiguousSubmissionError,
    CredentialsError,
    ModelUnavailableError,
    ProviderBusyError,
    RequestRejectedError,
)

ERRORS = {
    "wrong key": (401, "invalid_api_key", "Incorrect API key provided", CredentialsError),
    "no credit": (402, "billing_error", "credit balance is too low", CredentialsError),
    "forbidden": (403, "permission_error", "not allowed", CredentialsError),
    "plan": (403, "not_available_for_plan", "batch is not available for your plan", CredentialsError),
    "no such address": (404, "unknown_url", "Unknown request URL: POST /v2/x.", RequestRejectedError),
    "model gone": (404, "not_found_error", "model: claude-x does not exist", ModelUnavailableError),
    "model named in a 400": (400, "model_decommissioned", "it has been decommissioned", ModelUnavailableError),
    "model blocked": (403, "model_permission_blocked_org", "blocked for the organization", ModelUnavailableError),
    "terms of a model": (400, "model_terms_required", "requires terms acceptance", ModelUnavailableError),
    "model not for this project": (403, "model_not_found", "no access to it", ModelUnavailableError),
    "bad request": (400, "invalid_request_error", "requests: too short", RequestRejectedError),
    "too large": (413, "request_too_large", "Request exceeds the maximum size", RequestRejectedError),
    "unprocessable": (422, "invalid_request_error", "no such field", RequestRejectedError),
    "too many": (429, "rate_limit_error", "slow down", ProviderBusyError),
    "quota used up": (429, "insufficient_quota", "You exceeded your current quota", CredentialsError),
    "server error": (500, "api_error", "Internal server error", AmbiguousSubmissionError),
    "bad gateway": (502, "api_error", "upstream", AmbiguousSubmissionError),
    "unavailable": (503, "overloaded_error", "Overloaded", AmbiguousSubmissionError),
    "overloaded": (529, "overloaded_error", "Overloaded", AmbiguousSubmissionError),
    "request timeout": (408, "timeout_error", "timed out", AmbiguousSubmissionError),
    "conflict": (409, "conflict", "already there", AmbiguousSubmissionError),
}
