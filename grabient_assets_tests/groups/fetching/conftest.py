from __future__ import annotations

from grabient_assets_tests.groups.knowledge.conftest import knowledge

__all__ = ["knowledge"]
