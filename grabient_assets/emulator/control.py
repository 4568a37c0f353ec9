"""The control plane under /_emulator: what a test or an operator does to the emulator itself."""

from __future__ import annotations

import os
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from grabient_assets.emulator.disturbance import Disturbance
from grabient_assets.emulator.faults import FaultScript, read_rules
from grabient_assets.emulator.state import State
from grabient_assets.emulator.wire import reply
from grabient_assets.errors import EmulatorError


class Control:
    """Health, counts, reset, and the fault script in force."""

    def __init__(self, state: State, script: FaultScript, disturbance: Disturbance) -> None:
        self._state = state
        self._first_script = script
        self._disturbance = disturbance
        self.script = script

    def routes(self) -> list[Route]:
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/calls", self.calls, methods=["GET"]),
            Route("/faults", self.show_faults, methods=["GET"]),
            Route("/faults", self.set_faults, methods=["POST"]),
            Route("/release", self.release, methods=["POST"]),
            Route("/reset", self.reset, methods=["POST"]),
        ]

    async def health(self, request: Request) -> Response:
        return reply({"status": "ok", "pid": os.getpid()})

    async def calls(self, request: Request) -> Response:
        """Calls per provider and route, and every accepted create with its custom ids."""
        return reply({"counts": self._state.counts.calls(), "creates": self._state.counts.creates()})

    async def show_faults(self, request: Request) -> Response:
        """The rules in force, how many calls each matched, how often it fired."""
        counts = self._state.counts.fault_counts()
        rules = [
            {**rule.model_dump(mode="json", by_alias=True, exclude_none=True), "seen": seen, "fired": fired}
            for name, rule in self.script.rules
            for seen, fired in [counts.get(name, (0, 0))]
        ]
        return reply({"rules": rules})

    async def set_faults(self, request: Request) -> Response:
        """Puts the rules of the body, `{"rules": [...]}`, into force until the process ends or is reset."""
        try:
            document: Any = await request.json()
            rules = read_rules(document, "in the request")
        except ValueError as error:
            return reply({"error": f"The body is not JSON: {error}"}, 400)
        except EmulatorError as error:
            return reply({"error": str(error)}, 400)
        self.script = FaultScript(rules, self._state.counts)
        self._state.counts.forget_faults()
        return reply({"rules": len(rules)})

    async def release(self, request: Request) -> Response:
        """Lets go of every call that a `hold` keeps waiting."""
        self._disturbance.release()
        return reply({"released": True})

    async def reset(self, request: Request) -> Response:
        """Forgets batches, files and counts; the fault script is again the one of the start."""
        self._state.reset()
        self.script = self._first_script
        self._disturbance.release()
        return reply({"reset": True})
