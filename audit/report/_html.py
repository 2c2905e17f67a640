"""report.html: one file, rendered from a `Report` alone; no script, no font, no picture from anywhere else."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from audit._text import visible
from audit.report import _format, _hygiene, _view, _wording
from audit.report._model import Report

_FILTERS = ("decimals", "signed", "interval", "span", "fraction", "probability", "count", "magnitude", "seconds")


def render_html(report: Report) -> str:
    """The page as text: the same report gives the same page."""
    template = _environment().get_template("page.html.jinja")
    several = len(report.audits) > 1
    return template.render(
        report=report,
        policy=report.policy,
        outcomes=_view.outcomes(report),
        overview=_view.overview(report) if several else None,
        sections=_view.sections(report),
        references=_view.references(report),
        hygiene=_hygiene.found(report),
        level=f"{100 * (1 - 2 * report.policy.alpha):g} %",
    )


def _shown(value: object) -> object:
    """What a name hides in signs that nobody sees is shown; markup of our own is left alone."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("audit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    environment.filters |= {
        name: getattr(_format, name) for name in (*_FILTERS, "share", "percent", "advantage", "epsilon", "sentence")
    }
    environment.filters |= {"mean": _view.mean, "tried": _view.tried}
    environment.globals["words"] = _wording
    return environment
