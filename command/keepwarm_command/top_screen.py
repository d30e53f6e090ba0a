"""The table of keepwarm top on a terminal, redrawn as time passes and keys are pressed."""

import curses
import itertools
import os
import signal
import sys
import time

from keepwarm_command.arguments import Failure
from keepwarm_command.top_table import NAMES

KEYS = "q quit  < > sort  r reverse  space refresh  up down scroll"


class Screen:
    """What is shown, and what keys change of it. look() gives new groups; table(groups, width, name, backwards) lines."""

    def __init__(self, window, options, look, table):
        self.window, self.look, self.table = window, look, table
        self.delay, self.sorted_by, self.backwards = options.delay, options.sort, False
        self.first = 0  # the topmost row that is shown
        self.styles = styles()

    def put(self, row, words, style):
        height, width = self.window.getmaxyx()
        if 0 <= row < height:
            try:
                self.window.addnstr(row, 0, words, width - (row == height - 1), style)
            except curses.error:
                pass  # the terminal shrank meanwhile

    def draw(self, groups):
        height, width = self.window.getmaxyx()
        head, *body, total = self.table(groups, width, self.sorted_by, self.backwards)
        room = max(height - 4, 1)
        self.first = max(0, min(self.first, len(body) - room))
        self.window.erase()
        order = f"{self.sorted_by}{', reversed' if self.backwards else ''}, every {self.delay:g} s"
        self.put(0, f"keepwarm top: by {order}", curses.A_NORMAL)
        shown = [head, *body[self.first:self.first + room], total]
        for row, (kind, words) in enumerate(shown, 1):
            self.put(row, words.ljust(width) if kind == "head" else words, self.styles[kind])
        self.put(height - 1, KEYS, curses.A_NORMAL)
        self.window.refresh()

    def press(self, key):
        """Does what a key says. Returns "quit", "look" or "draw"."""
        if key in (ord("q"), ord("Q")):
            return "quit"
        if key == ord(" "):
            return "look"
        if key in (ord("<"), ord(">"), curses.KEY_LEFT, curses.KEY_RIGHT):
            step = 1 if key in (ord(">"), curses.KEY_RIGHT) else -1
            self.sorted_by = NAMES[(NAMES.index(self.sorted_by) + step) % len(NAMES)]
        elif key in (ord("r"), ord("R")):
            self.backwards = not self.backwards
        elif key in (curses.KEY_UP, curses.KEY_DOWN):
            self.first += 1 if key == curses.KEY_DOWN else -1
        elif key in (curses.KEY_PPAGE, curses.KEY_NPAGE):
            page = max(self.window.getmaxyx()[0] - 5, 1)
            self.first += page if key == curses.KEY_NPAGE else -page
        return "draw"

    def show_until(self, groups, end):
        """Shows one look until it is time for the next one. Returns False to quit."""
        while True:
            self.draw(groups)
            left = end - time.monotonic()
            self.window.timeout(max(int(left * 1000), 0))
            key = self.window.getch()
            wanted = self.press(key) if key != -1 else "draw"
            if wanted != "draw" or time.monotonic() >= end:
                return wanted != "quit"

    def run(self, groups, times):
        for left in range(times - 1, -1, -1) if times else itertools.repeat(1):
            if not self.show_until(groups, time.monotonic() + self.delay) or not left:
                return
            groups = self.look()


def styles():
    """How each kind of line looks. NO_COLOR, and a terminal without colours, leave bold and reverse."""
    made = {"head": curses.A_REVERSE, "process": curses.A_NORMAL, "rule": curses.A_DIM, "words": curses.A_NORMAL,
            "verdict": curses.A_BOLD, "total": curses.A_BOLD}
    if os.environ.get("NO_COLOR") or not curses.has_colors():
        return made
    curses.start_color()
    curses.use_default_colors()
    curses.init_pair(1, curses.COLOR_RED, -1)
    curses.init_pair(2, curses.COLOR_GREEN, -1)
    return made | {"words": curses.color_pair(1), "verdict": curses.color_pair(2) | curses.A_BOLD}


def without_colours(function, *arguments):
    """curses.wrapper, but colours are styles()'s to start: a terminal that lacks them is none the worse."""
    window = curses.initscr()
    try:
        curses.noecho()
        curses.cbreak()
        window.keypad(True)
        try:
            curses.curs_set(0)
        except curses.error:
            pass  # this terminal cannot hide it
        return function(window, *arguments)
    finally:
        curses.endwin()


def show(options, groups, look, table):
    """Runs the screen until q. Fails in one line where there is no terminal to draw on."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failure("standard input and output are no terminal: -b prints tables instead")
    try:
        curses.setupterm()
    except curses.error:
        raise Failure(f"TERM={os.environ.get('TERM', '')}: an unknown terminal: -b prints tables instead") from None
    if not curses.tigetstr("cup"):
        raise Failure(f"TERM={os.environ['TERM']}: a terminal without a cursor to move: -b prints tables instead")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    without_colours(lambda window: Screen(window, options, look, table).run(groups, options.times))
