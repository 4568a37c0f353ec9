"""What an asset check says, in one form: the figure found beside its threshold, examples, and a table.

Numbers are metadata of their own, so that the UI plots them over time.
"""

from __future__ import annotations

import dagster as dg

from grabient_assets.groups.finding import Finding

SHOWN_EXAMPLES = 20
"""Every event is stored for ever."""


def check_result(
    spec: dg.AssetCheckSpec,
    finding: Finding,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    between: str = " ",
) -> dg.AssetCheckResult:
    """The result of the check; its examples are joined with `between`."""
    metadata: dict[str, dg.MetadataValue] = {
        "threshold": _number(finding.threshold),
        "found": dg.MetadataValue.int(finding.found),
        "examples": dg.MetadataValue.text(between.join(finding.examples[:SHOWN_EXAMPLES])),
    }
    metadata |= {name: dg.MetadataValue.text(text) for name, text in finding.notes.items()}
    metadata |= {name: _number(value) for name, value in finding.figures.items()}
    if finding.table:
        metadata["table"] = dg.MetadataValue.md(finding.table)
    return dg.AssetCheckResult(
        passed=finding.found == 0,
        asset_key=spec.asset_key,
        check_name=spec.name,
        severity=severity,
        metadata=metadata,
    )


def _number(value: float) -> dg.MetadataValue:
    return dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.float(round(value, 6))
