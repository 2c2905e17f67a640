"""report.html: one file, rendered from a `Report` alone; no script, no font, no picture from anywhere else."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vestige.audit.files.text import visible
from vestige.audit.report import format, view
from vestige.audit.report.hygiene import grouped_findings
from vestige.audit.results import wording
from vestige.audit.results.report import Report

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
        sections=view.sections(report),
        references=view.references(report),
        hygiene=grouped_findings(report),
        level=f"{100 * (1 - 2 * report.policy.alpha):g} %",
    )


def _shown(value: object) -> object:
    """Invisible characters in names are made visible; the page's own markup is left alone."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


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
    templates.filters |= {"mean": view.mean, "tried": view.tried}
    templates.globals["words"] = wording
    return templates
