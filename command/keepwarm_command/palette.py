"""The colours of the page and of its plots: CSS variables, for light and for dark ground."""

# The light colour also stands for its variable while a plot is being drawn.
PALETTE = {"ink": ("#1d2433", "#e6e9ef"), "muted": ("#5b6475", "#a3acbd"), "line": ("#d5dae2", "#3a4353"),
           "a": ("#b4540a", "#f0a35e"), "b": ("#1b5fc1", "#7db4ff"), "c": ("#1c7a4f", "#62c99a"),
           "d": ("#8b3fb0", "#cf9bea"), "ground": ("#ffffff", "#171c26"), "page": ("#f3f5f8", "#0f131a")}


def light(name):
    """A colour as it is on light ground."""
    return PALETTE[name][0]


def theme():
    """The CSS that gives the variables their values."""
    def values(ground):
        return "".join(f"--{name}:{pair[ground]};" for name, pair in PALETTE.items())
    return f":root{{{values(0)}}}@media (prefers-color-scheme:dark){{:root{{{values(1)}}}}}"
