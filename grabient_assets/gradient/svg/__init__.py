"""Palettes as SVG text, drawn as the Grabient site draws them."""

from __future__ import annotations

from grabient_assets.gradient.svg.render import render_crisp_svg, render_svg

__all__ = ["render_crisp_svg", "render_svg"]
