"""Palettes as SVG text, drawn as the Grabient site draws them."""

from __future__ import annotations

from grabient_assets.gradient.svg.render import render_svg

__all__ = ["render_svg"]
