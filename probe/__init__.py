"""cdn-probe: active monitoring agent for CDN contracts."""

__version__ = "0.2.0"
