"""report.html: one file, rendered from a `Report` alone; no script, no font, no picture from anywhere else."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vestige.audit.files.text import visible
from vestige.audit.report import format, hygiene, view
from vestige.audit.results import wording
from vestige.audit.results.report import Report

_FILTERS = ("decimals", "signed", "interval", "span", "fraction", "probability", "count", "magnitude", "seconds")


def render_html(report: Report) -> str:
    """The page as text: the same report gives the same page."""
    template = _environment().get_template("page.html.jinja")
    several = len(report.audits) > 1
    return template.render(
        report=report,
        policy=report.policy,
        outcomes=view.outcomes(report),
        overview=view.overview(report) if several else None,
        sections=view.sections(report),
        references=view.references(report),
        hygiene=hygiene.found(report),
        level=f"{100 * (1 - 2 * report.policy.alpha):g} %",
    )


def _shown(value: object) -> object:
    """What a name hides in signs that nobody sees is shown; markup of our own is left alone."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("vestige.audit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    environment.filters |= {
        name: getattr(format, name) for name in (*_FILTERS, "share", "percent", "advantage", "epsilon", "sentence")
    }
    environment.filters |= {"mean": view.mean, "tried": view.tried}
    environment.globals["words"] = wording
    return environment
