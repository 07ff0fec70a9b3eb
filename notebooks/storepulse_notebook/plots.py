"""One style for all plots, and tables and sentences as Markdown, so that a rendered copy is text and SVG."""

import matplotlib.pyplot as plt
import matplotlib_inline.backend_inline
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.dates import AutoDateLocator, DateFormatter
from matplotlib.ticker import FuncFormatter

# Okabe and Ito's colours, told apart with any kind of colour vision.
COLOURS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "red": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "grey": "#8A8A8A",
}

matplotlib_inline.backend_inline.set_matplotlib_formats("svg")
plt.rcParams.update(
    {
        "figure.figsize": (9, 3.8),
        "figure.constrained_layout.use": True,
        "axes.prop_cycle": plt.cycler(color=list(COLOURS.values())),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.titlesize": 11.5,
        "axes.titlepad": 10,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#E3E3E3",
        "grid.linewidth": 0.8,
        "font.size": 9.5,
        "legend.frameon": False,
        "savefig.facecolor": "white",
        "image.cmap": "cividis",
        # The same figures give the same bytes.
        "svg.hashsalt": "storepulse",
    }
)


def figure(columns=1, **options):
    """A row of plots; one axis when there is one column."""
    _, axes = plt.subplots(1, columns, **options)
    return axes


def compact(axis):
    """Thousands as k and millions as M."""

    def text(value, _):
        for size, unit in ((1e6, "M"), (1e3, "k")):
            if abs(value) >= size:
                return f"{value / size:g}{unit}"
        return f"{value:g}"

    axis.set_major_formatter(FuncFormatter(text))


def clock(axes):
    """Times of one day as hours and minutes; the day stands in the label."""
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=3, maxticks=7))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))


def finish(axes, title, x=None, y=None, grid="y"):
    """Title and units; the grid only along the axis that is read off."""
    axes.set_title(title)
    axes.set(xlabel=x or "", ylabel=y or "")
    if isinstance(axes.xaxis.get_major_locator(), AutoDateLocator):
        clock(axes)
    axes.grid(False)
    if grid:
        axes.grid(True, axis=grid)
    return axes


def say(text):
    """A sentence on what is seen; its figures are computed."""
    display(Markdown(text))


def table(rows, **formats):
    """Rows as a table. `formats` are format strings by column, as in `net="{:,.2f}"`."""
    rows = rows.reset_index(drop=True)

    def cell(name, value):
        if value is None or (not isinstance(value, (list, dict)) and pd.isna(value)):
            return ""
        if name in formats:
            return formats[name].format(value)
        if isinstance(value, pd.Timestamp):
            return value.strftime("%Y-%m-%d %H:%M:%S" + (".%f" if value.microsecond else ""))
        if isinstance(value, float):
            return f"{value:,.1f}"
        if not isinstance(value, bool) and isinstance(value, int) or hasattr(value, "dtype") and value.dtype.kind in "iu":
            return f"{value:,}"
        return str(value).replace("|", "\\|").replace("\n", " ")

    number = [pd.api.types.is_numeric_dtype(rows[name]) and rows[name].dtype != bool or name in formats for name in rows]
    lines = [
        "| " + " | ".join(str(name).replace("_", " ") for name in rows) + " |",
        "|" + "|".join("---:" if right else "---" for right in number) + "|",
    ]
    lines += ["| " + " | ".join(cell(n, v) for n, v in zip(rows, row)) + " |" for row in rows.itertuples(index=False)]
    display(Markdown("\n".join(lines)))
