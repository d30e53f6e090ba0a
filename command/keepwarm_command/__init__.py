"""What keepwarm's subcommands share. A file is a fact: paths, launching, counters, statistics, the page."""

import signal

# Ctrl-C while modules are being loaded ends a subcommand without a word; end_with() makes it an exception later.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
