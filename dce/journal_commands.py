"""The flags of `dce journal`; what they do is in dce/journal_cli.py, imported when one is used."""

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from dce.config import Config
from vocabulary import limits

ConfigOf = Callable[[Namespace], Config]


def add_journal(
    commands: "argparse._SubParsersAction[ArgumentParser]", common: ArgumentParser,
    config_of: ConfigOf,
) -> None:
    """Add the command and its ways. config_of: the configuration of parsed arguments."""
    journal = commands.add_parser("journal", help="read, check and mend the journal")
    ways = journal.add_subparsers(title="ways", metavar="WAY", required=True)

    def add(name: str, text: str, work: Callable[[Config, Namespace], int]) -> ArgumentParser:
        parser = ways.add_parser(name, parents=[common], help=text)
        parser.set_defaults(command=lambda args: work(config_of(args), args))
        return parser

    add("verify", "walk all of it and name the first damage", _verify)
    tail = add("tail", "the last facts as JSON lines", _tail)
    tail.add_argument("-n", dest="lines", type=_seq, default=10, metavar="N", help="how many (10)")
    tail.add_argument("--follow", action="store_true", help="then those that become durable")
    export = add("export", "facts as JSON lines on stdout", _export)
    export.add_argument("--to", type=_seq, default=0, metavar="SEQ", help="last record")
    export.add_argument(
        "--cursor", default="", metavar="NAME",
        help="go on behind what NAME exported last; segments above it are kept",
    )
    for parser in (tail, export):
        parser.add_argument(
            "--from", dest="from_seq", type=_seq, default=0, metavar="SEQ", help="first record"
        )
        parser.add_argument(
            "--reveal", action="store_true", help="open what is personal, with the key"
        )
    repair = add("repair", "show what a repair would do; move damaged bytes aside", _repair)
    repair.add_argument(
        "--accept-loss", action="store_true", help="do it though records are lost"
    )
    forget = add("forget", "an exporter holds back segments no more", _forget)
    forget.add_argument("name", metavar="NAME", help="its cursor")


def _seq(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= limits.journal_seq_max):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def _verify(config: Config, args: Namespace) -> int:
    from dce.journal_cli import verify_journal

    return verify_journal(config)


def _tail(config: Config, args: Namespace) -> int:
    from dce.journal_cli import tail_journal

    return tail_journal(
        config, lines=args.lines, from_seq=args.from_seq, follow=args.follow, reveal=args.reveal
    )


def _export(config: Config, args: Namespace) -> int:
    from dce.journal_cli import export_journal

    return export_journal(
        config, from_seq=args.from_seq, to_seq=args.to, reveal=args.reveal, cursor=args.cursor
    )


def _repair(config: Config, args: Namespace) -> int:
    from dce.journal_cli import repair_journal

    return repair_journal(config, accept_loss=args.accept_loss)


def _forget(config: Config, args: Namespace) -> int:
    from dce.journal_cli import forget_cursor

    return forget_cursor(config, args.name)
