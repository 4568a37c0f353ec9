"""The reasons why requests are missing, as a plan names them for programs (NAMES) and for people (WHY); the keys are
those of ledger/plan.py."""

from __future__ import annotations

WHY = {
    "stopped": "stopped before",
    "retried": "failed, and asked again",
    "unanswered": "expired or missing before",
    "put_off": "put off by the provider",
    "changed_prompt": "changed prompt or parameters",
    "more_analyses": "more analyses than before",
    "changed_basis": "changed consensus",
    "waiting": "asked for, not sent yet",
    "new_model": "model not asked yet",
    "new_subject": "new palette",
    "basis_to_come": "consensus not complete yet",
}
NAMES = {"changed_basis": "changed_consensus", "new_subject": "new_palette", "basis_to_come": "untagged"}
"""The names in `grabient plan --json` that differ from the ledger's names."""
