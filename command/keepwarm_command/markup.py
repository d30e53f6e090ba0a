"""HTML that is escaped by construction: text becomes markup only by passing through tag() or Markup."""

import html
import re

# What no HTML text may hold; the parser would drop or replace it.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Markup(str):
    """Text that is HTML already."""


def legible(text):
    """Any text, as UTF-8 can carry it: bytes of a command line that were no UTF-8 become \\udcXX, controls U+FFFD."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(text)).encode("utf-8", "backslashreplace").decode()


def join(*parts):
    """One Markup of several: strings are escaped, Markup is kept, None is left out, lists are joined likewise."""
    return Markup("".join(
        "" if part is None
        else part if isinstance(part, Markup)
        else join(*part) if isinstance(part, (list, tuple))
        else html.escape(legible(part)) for part in parts))


def tag(element, /, *children, **attributes):
    """An element. An attribute's name may end with _ (class_), and has - for _; one that is None is left out."""
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{join(value)}"'
                    for key, value in attributes.items() if value is not None)
    return Markup(f"<{element}{words}>{join(*children)}</{element}>")


def void(element, /, **attributes):
    """An element that has no end tag, such as meta."""
    return Markup(tag(element, **attributes).removesuffix(f"</{element}>"))


def table(caption, header, rows):
    """A real table: the first cell of each row heads it; the columns after it hold figures."""
    return tag("div", tag(
        "table", tag("caption", caption),
        tag("thead", tag("tr", [tag("th", cell, scope="col") for cell in header])),
        tag("tbody", [tag("tr", tag("th", row[0], scope="row"), [tag("td", cell) for cell in row[1:]])
                      for row in rows])),
        class_="scroll", tabindex="0", role="region", aria_label=caption)
