"""Which packages a script needs, found out before the script is started."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

_OURS = ("tests", "pulse_plugins", "examples")


def missing(script: Path, checkout: Path) -> list[str]:
    """The packages that a script and the checkout's modules that it imports lack here.

    Args:
        script: The script.
        checkout: The folder in which the modules of `tests` and `examples` are.
    """
    seen: set[Path] = set()
    waiting, absent = [script], set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        for name in _imported(path):
            if name.partition(".")[0] in _OURS:
                own = _own(name, checkout)
                if own is not None and own not in seen:
                    waiting.append(own)
            elif not is_installed(name):
                absent.add(_distribution(name))
    return sorted(absent)


def _imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever the import stands, type checking apart."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _own(name: str, checkout: Path) -> Path | None:
    """The file of a module of the checkout; the package itself is installed."""
    path = checkout.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file() and not name.startswith("pulse_plugins"):
            return file
    return None


def is_installed(name: str) -> bool:
    """Whether a module can be imported. Of several packages, only `livekit` is imported for it."""
    root = name.partition(".")[0]
    if root in sys.stdlib_module_names:
        return True
    try:
        # Several packages share `livekit.plugins`. Looking deeper into others would import them.
        depth = 3 if root == "livekit" else 1
        return find_spec(".".join(name.split(".")[:depth])) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def _distribution(name: str) -> str:
    """What a missing module is called where it is installed from, as well as it can be told."""
    parts = name.split(".")
    if parts[:2] == ["livekit", "plugins"] and len(parts) > 2:
        return f"livekit-plugins-{parts[2]}"
    return {"livekit": "livekit-agents", "pipecat": "pipecat-ai"}.get(parts[0], parts[0])
