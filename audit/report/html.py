"""report.html: one file, rendered from a `Report` alone; no script, no font, no picture from anywhere else."""

from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vestige.audit.files.text import visible
from vestige.audit.policy import level_of
from vestige.audit.report import format, view
from vestige.audit.report.hygiene import grouped_findings
from vestige.audit.report.plots import gap_plots, histogram_plots, roc_plots
from vestige.audit.results import wording
from vestige.audit.results.json import to_json
from vestige.audit.results.report import Report
from vestige.audit.verdict.wording import share_sentence, short
from vestige.learners.files.io import write_together

_FILTERS = (
    *("decimals", "signed", "interval", "span", "fraction", "probability", "count", "magnitude", "seconds"),
    *("share", "percent", "advantage", "epsilon", "sentence", "number", "power_of_ten"),
)


def render_html(report: Report) -> str:
    """The page as text: the same report gives the same page."""
    template = environment().get_template("page.html.jinja")
    several = len(report.audits) > 1
    return template.render(
        report=report,
        policy=report.policy,
        outcomes=view.outcomes(report),
        overview=view.overview(report) if several else None,
        references=view.references(report),
        hygiene=grouped_findings(report),
        level=f"{100 * (1 - 2 * level_of(report.policy.alpha, report.policy.sequential)):g} %",
    )


def _shown(value: object) -> object:
    """Invisible characters in names are made visible; the page's own markup is left alone."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def write_report(report: Report, directory: Path) -> tuple[Path, Path]:
    """Write ``report.json`` and ``report.html`` into the folder, both or neither; returns both paths."""
    text, page = to_json(report), render_html(report)
    paths = directory / "report.json", directory / "report.html"
    write_together({paths[0]: text.encode("utf-8"), paths[1]: page.encode("utf-8")})
    return paths


def environment() -> Environment:
    """The templates of the page, with the filters that they use."""
    templates = Environment(
        loader=PackageLoader("vestige.audit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    templates.filters |= {name: getattr(format, name) for name in _FILTERS}
    functions: list[Callable[..., object]] = [view.mean, view.tried, view.groups, view.split_code, view.is_control]
    functions += [short, share_sentence, wording.scale_sentence, gap_plots, roc_plots, histogram_plots]
    templates.filters |= {function.__name__: function for function in functions}
    templates.globals["words"] = wording
    return templates
