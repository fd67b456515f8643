"""The picture of what saving a turn costs as a conversation grows."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.store.part import Lines

# Each can be told from white and from black, and from the others by its marker too.
INK = "#7a7a7a"
STYLES = (
    ("#1f8fe0", "o"),
    ("#12a07c", "s"),
    ("#e0662a", "^"),
    ("#c050b8", "D"),
    ("#a88a00", "v"),
)
SETTINGS = {
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text, in the reader's own font
    "svg.hashsalt": "sojourn",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
}


def draw(lines: Lines, path: Path) -> bool:
    """Draw seconds against turns, both by their logarithm; tell whether the library is there."""
    try:
        matplotlib = import_module("matplotlib")
        pyplot = import_module("matplotlib.pyplot")
    except ImportError:
        return False
    with matplotlib.rc_context(SETTINGS):
        figure, axes = pyplot.subplots(figsize=(8, 4.5))
        for (name, line), (color, marker) in zip(lines.items(), STYLES, strict=False):
            times = [each * 1000 for each in line.values()]
            axes.plot(list(line), times, color=color, marker=marker, linewidth=2, label=name)
        _label(axes)
        figure.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)
    return True


def _label(axes: Any) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("turns in the conversation")
    axes.set_ylabel("milliseconds to save one more turn")
    axes.grid(visible=True, which="major", alpha=0.3, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.legend(frameon=False, loc="upper left")
