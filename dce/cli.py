"""The commands and their flags. Heavy modules are imported by the command that needs them."""

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from dce.config import Config, load, settings
from dce.config_layers import unknown_key
from dce.secret_settings import SECRETS
from vocabulary.errors import ConfigError

Command = Callable[[Namespace], int]
WORKERS = ("signal", "record", "api")


def build_parser() -> ArgumentParser:
    """The whole command line; each leaf sets `command`, a function of the parsed arguments."""
    parser = ArgumentParser(prog="dce", description="An open call exchange.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    common = _common_flags()
    _add_servers(commands, common)
    _add_checks(commands, common)
    _add_migrate(commands, common)
    _add_journal(commands, common)
    _add_recover(commands, common)
    _add_backup(commands, common)
    _add_record(commands, common)
    _add_call(commands, common)
    _add_plan(commands, common)
    _add_admin(commands, common)
    worker = commands.add_parser("worker", parents=[common], help="one process (internal)")
    worker.add_argument("kind", choices=WORKERS)
    worker.set_defaults(command=_worker)
    return parser


def config_of(args: Namespace) -> Config:
    """Configuration of parsed arguments. Raises ConfigError."""
    flags = _flags(args)
    config = load(args.config, flags=flags)
    if getattr(args, "lan", False) and "sip.listen" not in flags:
        from dce.addresses import widen

        wide = dict.fromkeys(widen(address).text() for address in config.sip.addresses())
        config = load(args.config, flags={**flags, "sip.listen": list(wide)})
    return config


def child_arguments(args: Namespace, config: Config) -> list[str]:
    """Flags that give a child process this same configuration; secrets are not among them."""
    given = ["-c", args.config] if args.config else []
    for key, where in config.origins.items():
        if where == "command line":
            given += ["--set", f"{key}={_flag_text(config, key)}"]
    return given


def _flag_text(config: Config, key: str) -> str:
    value = config.masked()[key]
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _flags(args: Namespace) -> dict[str, object]:
    """Dotted key → value of every flag that sets one."""
    flags: dict[str, object] = {}
    for text in args.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"command line: --set: expected KEY=VALUE, got {text!r}")
        if key not in settings():
            raise ConfigError(f"command line: {unknown_key(key, settings())}")
        if key in SECRETS:
            name = "DCE_" + key.upper().replace(".", "_")
            raise ConfigError(
                f"command line: {key}: every user of the machine can read a command line;"
                f" set {name} or {name}_FILE instead, or a file given with -c"
            )
        flags[key] = value
    if getattr(args, "listen", None):
        flags["sip.listen"] = args.listen
    if getattr(args, "http", None):
        flags["http.listen"] = args.http
    return flags


def _common_flags() -> ArgumentParser:
    common = ArgumentParser(add_help=False)
    common.add_argument(
        "-c", "--config", metavar="FILE", help="YAML configuration (default configs/config.yaml)"
    )
    common.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[],
        help="one setting, such as sip.t1_ms=500; may be repeated",
    )
    return common


def _add_servers(commands: "argparse._SubParsersAction[ArgumentParser]",
                 common: ArgumentParser) -> None:
    run = commands.add_parser("run", parents=[common], help="run the exchange")
    demo = commands.add_parser("demo", parents=[common], help="run it with built-in phones")
    demo.add_argument("--exit", action="store_true", help="end after the calls; 0 if all went well")
    for parser, command in ((run, _run), (demo, _demo)):
        parser.add_argument("--lan", action="store_true", help="listen for SIP on every address")
        parser.add_argument(
            "--listen", metavar="ADDRESS", action="append",
            help="SIP address such as udp:127.0.0.1:5060; may be repeated",
        )
        parser.add_argument("--http", metavar="ADDRESS", help="such as 127.0.0.1:8080")
        parser.set_defaults(command=command)


def _add_checks(commands: "argparse._SubParsersAction[ArgumentParser]",
                common: ArgumentParser) -> None:
    check = commands.add_parser("check", parents=[common], help="check everything, start nothing")
    check.set_defaults(command=_check)
    health = commands.add_parser("health", parents=[common], help="ask whether the server lives")
    health.add_argument("--ready", action="store_true", help="whether it takes new calls")
    health.set_defaults(command=_health)
    config = commands.add_parser("config", help="look at the settings")
    ways = config.add_subparsers(title="ways", metavar="WAY", required=True)
    show = ways.add_parser("show", parents=[common], help="each value and where it was set")
    show.set_defaults(command=_config_show)
    for parser in (check, show):
        parser.add_argument("--json", action="store_true", help="one JSON document")


def _add_migrate(commands: "argparse._SubParsersAction[ArgumentParser]",
                 common: ArgumentParser) -> None:
    migrate = commands.add_parser("migrate", help="change the database schema")
    ways = migrate.add_subparsers(title="ways", metavar="WAY", required=True)
    up = ways.add_parser("up", parents=[common], help="apply what is missing")
    up.set_defaults(command=_migrate, way="up", steps=None)
    status = ways.add_parser("status", parents=[common], help="list what is applied")
    status.set_defaults(command=_migrate, way="status", steps=None)
    create = ways.add_parser("create", help="two empty files for the next migration")
    create.add_argument("name", metavar="NAME", help="lower-case letters, digits, underscores")
    create.set_defaults(command=_migrate_create)
    down = ways.add_parser("down", parents=[common], help="take back the last migrations")
    down.add_argument("--steps", type=_count, required=True, metavar="N", help="how many")
    down.set_defaults(command=_migrate, way="down")


def _add_backup(commands: "argparse._SubParsersAction[ArgumentParser]",
                common: ArgumentParser) -> None:
    for name, text, work in (
        ("backup", "copy everything a new machine needs, while calls run", _backup),
        ("restore", "bring a backup to a machine without data", _restore),
    ):
        parser = commands.add_parser(name, parents=[common], help=text)
        parser.add_argument("folder", metavar="FOLDER", help="of the backup")
        parser.add_argument(
            "--keys", metavar="FOLDER", required=True, help="of its keys, kept apart from it"
        )
        parser.set_defaults(command=work)


def _add_recover(commands: "argparse._SubParsersAction[ArgumentParser]",
                 common: ArgumentParser) -> None:
    recover = commands.add_parser("recover", parents=[common], help="what a start does with calls")
    recover.add_argument(
        "--explain", action="store_true", required=True,
        help="which calls were or will be closed, charged or released, and why; changes nothing",
    )
    recover.add_argument("--json", action="store_true", help="the same for programs")
    recover.set_defaults(command=_recover)


def _add_journal(commands: "argparse._SubParsersAction[ArgumentParser]",
                 common: ArgumentParser) -> None:
    from dce.journal_commands import add_journal

    add_journal(commands, common, config_of)


def _add_record(commands: "argparse._SubParsersAction[ArgumentParser]",
                common: ArgumentParser) -> None:
    record = commands.add_parser("record", help="the copy of the journal in PostgreSQL")
    ways = record.add_subparsers(title="ways", metavar="WAY", required=True)
    rebuild = ways.add_parser("rebuild", parents=[common], help="fill it again from the journal")
    rebuild.add_argument(
        "--from", dest="segment", type=_segment, required=True, metavar="SEGMENT",
        help="number of the segment to begin with; from 1 on all tables are emptied first",
    )
    rebuild.set_defaults(command=_record_rebuild)


def _add_call(commands: "argparse._SubParsersAction[ArgumentParser]",
              common: ArgumentParser) -> None:
    call = commands.add_parser("call", help="look at calls")
    ways = call.add_subparsers(title="ways", metavar="WAY", required=True)
    show = ways.add_parser("show", parents=[common], help="one call, why it went where it went")
    show.add_argument("id", metavar="ID", help="id of the call")
    show.add_argument("--json", action="store_true", help="the same as the API gives")
    show.set_defaults(command=_call_show)


def _add_plan(commands: "argparse._SubParsersAction[ArgumentParser]",
              common: ArgumentParser) -> None:
    plan = commands.add_parser("plan", help="change who gets calls")
    ways = plan.add_subparsers(title="ways", metavar="WAY", required=True)
    apply = ways.add_parser("apply", parents=[common], help="validate, compile and swap in a plan")
    apply.add_argument("file", metavar="FILE", help="YAML or JSON plan")
    apply.set_defaults(command=_plan_apply)


def _add_admin(commands: "argparse._SubParsersAction[ArgumentParser]",
               common: ArgumentParser) -> None:
    admin = commands.add_parser("admin", help="tokens for the API")
    ways = admin.add_subparsers(title="ways", metavar="WAY", required=True)
    create = ways.add_parser("create", parents=[common], help="make a token and print it once")
    create.add_argument("name", metavar="NAME", help="who will use it")
    create.set_defaults(command=_admin_create)
    revoke = ways.add_parser("revoke", parents=[common], help="end a token, at once")
    revoke.add_argument("name", metavar="NAME", help="whose")
    revoke.set_defaults(command=_admin_revoke)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1_000):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 1000, got {text!r}")
    return int(text)


def _segment(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) < 2**32):
        raise argparse.ArgumentTypeError(f"expected the number of a segment, got {text!r}")
    return int(text)


def _run(args: Namespace) -> int:
    config = config_of(args)
    from dce.server import run

    return run(config, child_arguments(args, config), lambda: config_of(args))


def _demo(args: Namespace) -> int:
    config_of(args)  # a wrong setting ends here, before anything starts
    from dce.demo import main

    return int(main(args))


def _check(args: Namespace) -> int:
    config = config_of(args)
    from dce.check import check

    return check(config, as_json=args.json)


def _health(args: Namespace) -> int:
    config = config_of(args)
    from dce.health import health

    return health(config, ready=args.ready)


def _config_show(args: Namespace) -> int:
    config = config_of(args)
    from dce.config_show import show

    return show(config, as_json=args.json)


def _migrate(args: Namespace) -> int:
    config = config_of(args)
    from dce.cli_database import migrate

    return migrate(config, args.way, args.steps)


def _migrate_create(args: Namespace) -> int:
    from storage.migrate import create_migration

    for path in create_migration(args.name):
        print(path)
    return 0


def _record_rebuild(args: Namespace) -> int:
    config = config_of(args)
    from dce.cli_database import rebuild_record

    return rebuild_record(config, args.segment)


def _call_show(args: Namespace) -> int:
    config = config_of(args)
    from dce.cli_database import show_call

    return show_call(config, args.id, as_json=args.json)


def _plan_apply(args: Namespace) -> int:
    config = config_of(args)
    from dce.cli_database import apply_plan_file

    return apply_plan_file(config, args.file)


def _admin_create(args: Namespace) -> int:
    config = config_of(args)
    from dce.cli_database import create_token

    return create_token(config, args.name)


def _admin_revoke(args: Namespace) -> int:
    config = config_of(args)
    from dce.cli_database import revoke_token

    return revoke_token(config, args.name)


def _backup(args: Namespace) -> int:
    config = config_of(args)
    from dce.backup_cli import make_backup

    return make_backup(config, args.folder, args.keys)


def _restore(args: Namespace) -> int:
    config = config_of(args)
    from dce.backup_cli import restore_backup

    return restore_backup(config, args.folder, args.keys)


def _recover(args: Namespace) -> int:
    config = config_of(args)
    from dce.recover_cli import explain_recovery

    return explain_recovery(config, as_json=args.json)


def _worker(args: Namespace) -> int:
    config = config_of(args)
    from dce.worker import run_worker

    return run_worker(args.kind, config, lambda: config_of(args))
