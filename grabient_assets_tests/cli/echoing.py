"""Servers that give back what they were sent, keys included, in every way an answer can fail."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from grabient_assets_tests.providers.rawserver import http

Respond = Callable[[bytes], bytes]


def sent_keys(head: bytes) -> str:
    """Everything in the head of a request that names a credential."""
    headers = re.findall(rb"(?im)^(?:authorization|x-api-key|x-goog-api-key): (.+?)\r?$", head)
    return " ".join(header.decode() for header in headers)


def refuses(status: int) -> Respond:
    """An error of this status in every provider's shape at once, with the key in body and headers."""

    def respond(head: bytes) -> bytes:
        message = f"Incorrect API key provided: {sent_keys(head)}. Look at http://localhost/keys"
        error = {"message": message, "type": "authentication_error", "code": status, "status": message}
        return http(status, json.dumps({"type": "error", "error": error}).encode(), f"x-request-id: {message}")

    return respond


def loses_creates(head: bytes) -> bytes:
    """A create call fails in a way that says nothing about the batch, and then the key is refused."""
    return refuses(500 if head.startswith(b"POST ") else 401)(head)


def answers_a_page(head: bytes) -> bytes:
    """A proxy's page with the key where a reader who cuts long texts would cut."""
    filler = b"".join(b"<p>%d %s</p>" % (number, sent_keys(head).encode()) for number in range(60))
    return http(502, b"<html>" + filler + b"</html>")


def answers_text(head: bytes) -> bytes:
    """A success that is no JSON object but a list of the keys."""
    return http(200, json.dumps([sent_keys(head)] * 40).encode())


def leads_to(url: str) -> Respond:
    """A redirect to another server, with the key in the address."""

    def respond(head: bytes) -> bytes:
        where = f"{url}/{sent_keys(head).replace(' ', '/')}"
        return http(307, b"{}", f"Location: {where}")

    return respond


def refuses_objects(head: bytes) -> bytes:
    """What an S3 API says to a token it does not know, naming the token."""
    token = sent_keys(head)
    error = f"<Code>Odd{token}</Code><Message>Who is {token}?</Message><AWSAccessKeyId>{token}</AWSAccessKeyId>"
    return http(400, f"<?xml version='1.0'?><Error>{error}</Error>".encode(), "x-amz-request-id: 1")
