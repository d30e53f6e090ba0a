"""What keepwarm's subcommands share. A file is a fact: paths, launching, counters, statistics, the page."""
