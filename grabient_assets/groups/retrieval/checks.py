"""What must hold of the index of knowledge, and of what search finds."""

from __future__ import annotations

import dagster as dg

from grabient_assets.asking.checks import Check
from grabient_assets.groups.embedding.embedding import chosen_embedder
from grabient_assets.groups.indexes.keeping import index_finding
from grabient_assets.groups.retrieval.entry_index import KNOWLEDGE
from grabient_assets.groups.retrieval.gate import retrieval_finding
from grabient_assets.settings import load_settings

index_checks = (
    Check(
        dg.AssetCheckSpec(
            "knowledge_index_holds_what_it_should",
            asset="knowledge_index",
            description="The live version holds every vector that it should, in its present form, and no other.",
        ),
        lambda connection: index_finding(connection, KNOWLEDGE),
        between=", ",
    ),
)
report_checks = (
    Check(
        dg.AssetCheckSpec(
            "retrieval_keeps_its_level",
            asset="knowledge_reports",
            description="On the questions that ship with the project, the embedder of the index finds what it should: "
            "recall@5 and MRR stay above their thresholds.",
        ),
        lambda connection: retrieval_finding(
            connection, chosen_embedder(), emulated=load_settings().mode == "emulator"
        ),
        dg.AssetCheckSeverity.WARN,
        between=", ",
    ),
)
