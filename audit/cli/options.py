"""Options that several commands have, and help with sections; click itself has one list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from vestige.audit.config.config import AuditConfig
    from vestige.audit.models.workspace import Workspace
    from vestige.audit.policy import Policy

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Callable[..., int]], Callable[..., int]]

PATH = click.Path(path_type=Path)
PROFILE_NAMES = ("strict", "standard", "screening")
"""Those of ``audit.policy``, which ``vestige --help`` need not import."""
SEED = click.IntRange(0, 9999)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
EXPOSED_IDS_HELP = "Folder for the ids of exposed examples, a CSV for each candidate, readable by you alone."
exposed_ids_option = click.option("--exposed-ids", type=PATH, help=EXPOSED_IDS_HELP)
profile_option = click.option("--profile", "profile_name", type=click.Choice(PROFILE_NAMES), help="Ready policy.")
policy_option = click.option("--policy", "policy_path", type=PATH, help="Policy file (TOML).")
plan_option = click.option("--plan", "plan_path", type=PATH, help="Plan file of vestige plan that the audit must keep.")


def chosen_policy(profile_name: str | None, policy_path: Path | None) -> "Policy | None":
    """The policy of the two options, of which one may be given; None for neither."""
    from vestige.audit.policy import Policy, profile

    if profile_name and policy_path:
        raise click.UsageError("give either --profile or --policy, not both")
    if policy_path is not None:
        return Policy.read(policy_path)
    return None if profile_name is None else profile(profile_name)


def option(*words: str, **rest: Any) -> Any:
    """The field of an option in a dataclass for ``bundled``; arguments as for ``click.option``. Without words, the
    option has the field's name."""
    return field(metadata={"option": (words, rest)})


def bundled(name: str, kind: Any, *, section: str = "") -> Decorator:
    """Adds the options that are the fields of ``kind`` to a command, and passes them as one argument, ``name``.

    section: of the command's help."""
    make: Callable[..., Decorator] = Section(section) if section else click.option
    options: list[Decorator] = []
    for entry in fields(kind):
        words, rest = entry.metadata["option"]
        options.append(make(*(words or (f"--{entry.name.replace('_', '-')}",)), entry.name, **rest))
    return _passed(name, kind, options)


def _passed(name: str, kind: Any, options: Sequence[Decorator]) -> Decorator:
    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        @wraps(command)
        def passing(**values: Any) -> int:
            bundle = kind(**{entry.name: values.pop(entry.name) for entry in fields(kind)})
            return command(**values, **{name: bundle})

        decorated: Callable[..., int] = passing
        for add in reversed(options):
            decorated = add(decorated)
        return decorated

    return decorate


@dataclass(frozen=True)
class AuditFile:
    """An audit file, the folder of its models, and the seed that replaces the file's."""

    audit_file: Path | None
    workspace: Path | None
    seed: int | None

    @property
    def path(self) -> Path:
        """The file. UsageError where none was given."""
        if self.audit_file is None:
            raise click.UsageError("Missing argument 'AUDIT_FILE'.")
        return self.audit_file

    @property
    def base(self) -> Path:
        """Folder that relative names in the file start from."""
        return self.path.parent

    @property
    def folder(self) -> Path:
        """The workspace's folder."""
        return self.workspace or Path(f"vestige-{self.path.stem}")

    @property
    def place(self) -> "Workspace":
        """The workspace."""
        from vestige.audit.models.workspace import Workspace

        return Workspace(self.folder)

    def config(self) -> "AuditConfig":
        """What the file says. Raises as ``read_config``."""
        from vestige.audit.config.config import read_config

        return read_config(self.path, seed=self.seed)


def audit_file_options(
    *, required: bool = True, seed_type: click.IntRange = SEED, seed_help: str = "Replaces the file's seed."
) -> Decorator:
    """Adds AUDIT_FILE, --workspace and --seed, and passes them as one argument, ``audit``."""
    options: list[Decorator] = [
        click.argument("audit_file", type=PATH, required=required),
        click.option("--workspace", type=PATH, help="Folder of the models  [default: vestige-NAME]"),
        click.option("--seed", type=seed_type, help=seed_help),
    ]
    return _passed("audit", AuditFile, options)


class _Option(click.Option):
    def __init__(self, *words: Any, section: str, **rest: Any) -> None:
        super().__init__(*words, **rest)
        self.section = section


@dataclass(frozen=True)
class Section:
    """A part of a command's help; called as ``click.option`` is, it makes an option that is listed there."""

    name: str

    def __call__(self, *words: str, **rest: Any) -> Callable[[Command], Command]:
        """The decorator."""
        return click.option(*words, cls=_Option, section=self.name, **rest)


class SectionedCommand(click.Command):
    """A command whose help shows each ``Section`` of its options, in the order of their first ones; options without a
    section come last."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's own; files left over are what a shell made of a pattern."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if "unexpected extra argument" not in error.message:
                raise
            hint = "put a pattern for several files into quotes, as in 'retrain-*.pt'"
            raise click.UsageError(f"{error.message.rstrip('.')}; {hint}", ctx) from error

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click's own, but by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        rest: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                (sections.setdefault(parameter.section, []) if isinstance(parameter, _Option) else rest).append(record)
        for name, records in [*sections.items(), ("Other options" if sections else "Options", rest)]:
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)
