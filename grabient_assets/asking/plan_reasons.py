"""Why requests are missing, as a plan says it to a person: by the names of ledger/plan.py and refinement_plan.py."""

from __future__ import annotations

WHY = {
    "stopped": "stopped before",
    "retried": "failed, and asked again",
    "unanswered": "expired or missing before",
    "put_off": "put off by the provider",
    "changed_prompt": "changed prompt or parameters",
    "more_analyses": "more analyses than before",
    "changed_consensus": "changed consensus",
    "waiting": "asked for, not sent yet",
    "new_model": "model not asked yet",
    "new_palette": "new palette",
    "untagged": "consensus not complete yet",
}
