"""Names that want to be code: on the terminal, in a browser, in Markdown, XML, SARIF and spreadsheets."""

import csv
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.command import Said
from tests.hostile.conftest import GUARD
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.exposure.exposed_ids import FORMULA, safe_cell
from vestige.audit.files.text import HIDDEN
from vestige.audit.report.html import render_html
from vestige.audit.results.json import from_json, read_report, to_json
from vestige.audit.results.report import Report

Run = Callable[..., Said]
ACTIVE = re.compile(r"^<(script|iframe|object|embed|link|img|base|form)|\('(on\w+|src|srcdoc|action|formaction)'")
MARK = "document.title='OWNED'"
SCRIPTS = {
    "script": f"<script>{MARK}</script>",
    "closing": f"</title></style></script><script>{MARK}</script>",
    "image": f'"><img src=x onerror="{MARK}">',
    "handler": f"' onmouseover='{MARK}' autofocus onfocus='{MARK}",
    "svg": f"<svg/onload={MARK}><animate onbegin={MARK} attributeName=x dur=1s>",
    "link": f'<a href="javascript:{MARK}">x</a><iframe src="javascript:{MARK}"></iframe>',
    "xml": "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>]]>",
    "remote": "<link rel=stylesheet href=http://192.0.2.1/x><img src=//192.0.2.1/y><meta http-equiv=refresh content=0>",
    "template": "{{7*7}}{% raw %}${7*7}#{7*7}<%= 7*7 %>",
    "css": "</style><style>@import url(http://192.0.2.1/z);*{display:none}",
}
SIGNS = {
    "window title": "\x1b]0;owned\x07",
    "clipboard": "\x1b]52;c;b3duZWQ=\x1b\\",
    "clear": "\x1b[2J\x1b[H\x1b[8m",
    "one byte": "\x9b31m\x9d0;x\x9c",
    "lines": "a\nPASS: all is well\r\n::error::x\x0b\x0c\x85\u2028\u2029",
    "direction": "\u202eSSAP\u202c\u2066\u061c\u200f",
    "controls": "".join(map(chr, [*range(32), *range(127, 160)])),
    "markup": "[bold red]x[/] [link=http://192.0.2.1]y[/link] [/nothing] :warning:",
    "long": "x" * 10_000,
    "combining": "e" + "\u0301" * 10_000,
    "wide": "模\U0001f600" * 2000,
}
ALL = SCRIPTS | SIGNS


def clean(text: str) -> bool:
    """Nothing but printable lines, tables included."""
    return HIDDEN.search(text) is None


@pytest.fixture(scope="module")
def hostile(outputs: Outputs) -> Outputs:
    """Outputs whose ids, groups and subjects are the hostile names."""
    names = [name.replace("\x00", "") for name in ALL.values()]
    size = len(outputs)
    groups = np.array([names[row % 4] for row in range(size)])
    ids = np.array([f"{names[row % len(names)][:300]}{row}" for row in range(size)])
    return replace(outputs, group=groups, id=ids)


@pytest.mark.parametrize("kind", ALL)
def test_nothing_raw_reaches_the_terminal(kind: str, hostile: Outputs, vestige: Run, tmp_path: Path) -> None:
    hostile.write(tmp_path / "o.npz")
    name, report = ALL[kind].replace("\x00", ""), tmp_path / "report"
    first = vestige("audit", "--outputs", tmp_path / "o.npz", "--report", report, "--name", name)
    assert first.code in (1, 3), first.err
    assert first.out.split(",", 1)[0] in ("FAIL", "INCONCLUSIVE")
    found = read_report(report)
    assert found.audits[0].candidate == name and any(
        endpoint.where.endswith(tuple(SCRIPTS.values())) for endpoint in found.audits[0].endpoints
    )
    said = [first]
    said += [vestige("gate", report, "--profile", "standard", *more) for more in ((), ("--json",))]
    said += [
        vestige("report", report),
        vestige("compare", report, report),
        vestige("compare", report, report, "--json"),
    ]
    for one in said:
        assert one.code in (0, 1, 3) and clean(one.out) and clean(one.err), one
        assert not any(line.startswith(("::", "PASS")) for line in one.out.splitlines())
    page = (report / "report.html").read_text(encoding="utf-8")
    assert clean(page) and not any(ACTIVE.search(tag) for tag in Tags.of(page))


class Tags(HTMLParser):
    """Every tag of a page with its attributes, as a browser would read them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(f"<{tag} {attrs}>")

    @classmethod
    def of(cls, page: str) -> list[str]:
        parser = cls()
        parser.feed(page)
        return parser.found


@pytest.mark.parametrize("kind", ALL)
def test_what_is_on_the_command_line_is_said_back_harmlessly(kind: str, vestige: Run, tmp_path: Path) -> None:
    word = ALL[kind].replace("\x00", "")
    for arguments in ((word,), ("audit", f"--{word}"), ("methods", word), ("attacks", word), ("demo", "--seed", word)):
        said = vestige(*arguments)
        assert said.code == 2 and clean(said.err) and "Traceback" not in said.err and len(said.err) < 3000
    said = vestige("audit", "--outputs", tmp_path / word.replace("/", "_"), "--report", tmp_path / "report")
    assert said.code == 4 and clean(said.refusal)


def worst(report: Report) -> Report:
    """The report with a hostile name in every place that holds free text."""
    audit = report.audits[0]
    names = "".join(SCRIPTS.values())
    verdict = replace(audit.verdict, headline=audit.verdict.headline + names, notes=(names, *SCRIPTS.values()))
    names_of_endpoints = [*SCRIPTS.values()]
    endpoints = tuple(
        replace(endpoint, statistic=names, where=f"{names_of_endpoints[place % len(SCRIPTS)]}{place}")
        for place, endpoint in enumerate(audit.endpoints)
    )
    data = replace(report.data, source=names, fingerprint=names, class_names=tuple(SCRIPTS.values()))
    changed = replace(audit, candidate=names, verdict=verdict, endpoints=endpoints)
    return replace(
        report, data=data, reproduce=names, created=names, audits=(changed,), tool=replace(report.tool, name=names)
    )


@pytest.fixture(scope="module")
def page(hostile: Outputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page rendered from the worst of reports."""
    from vestige.audit.policy import profile
    from vestige.audit.workflows.outputs import audit_outputs
    from vestige.audit.workflows.request import Terms

    folder = tmp_path_factory.mktemp("page")
    hostile.write(folder / "o.npz")
    report = worst(audit_outputs(folder / "o.npz", Terms(policy=profile("standard"), folder=folder)))
    (folder / "page.html").write_text(render_html(from_json(to_json(report))), encoding="utf-8")
    return folder / "page.html"


def browser() -> str:
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if found is None:
        pytest.skip("no Chromium to look at the page with")
    return found


def test_no_script_runs_in_a_browser_and_nothing_is_loaded(page: Path, tmp_path: Path) -> None:
    """Without the page's own Content-Security-Policy too: escaping alone must do. Every request of the page would stand
    in Chromium's log of the network."""
    log = tmp_path / "net.json"
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    options += [f"--log-net-log={log}", "--virtual-time-budget=2000", "--disable-background-networking", "--dump-dom"]
    bare = tmp_path / "bare.html"
    bare.write_text(page.read_text().replace('http-equiv="Content-Security-Policy"', 'name="none"'))
    control = tmp_path / "control.html"
    control.write_text(f"<title>x</title><script>{MARK}</script>")
    titles = {}
    for file in (page, bare, control):
        command = [browser(), *options, f"file://{file}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=GUARD, check=False)
        if not done.stdout.strip():
            pytest.skip(f"Chromium does not start here: {done.stderr[-200:]}")
        titles[file.name] = re.findall("<title>(.*?)</title>", done.stdout, re.DOTALL)[0]
        if file != control:
            assert "<script" not in done.stdout and "<iframe" not in done.stdout and "49" not in titles[file.name]
            assert "192.0.2.1" not in log.read_text()
    assert titles["control.html"] == "OWNED"  # the test can see a script that runs
    assert all(not titles[name].startswith("OWNED") for name in ("page.html", "bare.html"))


def test_the_page_forbids_what_it_does_not_have(page: Path) -> None:
    tags = Tags.of(page.read_text())
    assert any("Content-Security-Policy" in tag and "default-src 'none'" in tag for tag in tags)
    assert not any(ACTIVE.search(tag) for tag in tags)
    hrefs = re.findall(r"\('href', '([^']*)'\)", "".join(tags))
    assert hrefs and all(href.startswith(("#", "https://")) for href in hrefs)
    assert sum("('http-equiv'" in tag for tag in tags) == 1 and sum(tag.startswith("<style") for tag in tags) == 1


@pytest.mark.parametrize("kind", ALL)
def test_files_for_other_tools(kind: str, hostile: Outputs, vestige: Run, tmp_path: Path) -> None:
    """JUnit is XML, SARIF is JSON, Markdown has one table of the candidates and no markup of theirs."""
    hostile.write(tmp_path / "o.npz")
    report = tmp_path / "report"
    name = (
        ALL[kind].replace("\x00", "") + " | `code` **bold** [x](javascript:1) ![y](http://192.0.2.1) <b> @everyone #1"
    )
    vestige("audit", "--outputs", tmp_path / "o.npz", "--report", report, "--name", name)
    targets = [word for one in ("junit", "summary", "sarif") for word in (f"--{one}", tmp_path / one)]
    assert vestige("gate", report, "--profile", "standard", *targets).code in (1, 3)
    root = ElementTree.fromstring((tmp_path / "junit").read_bytes())
    assert len(root) == 1 and clean("".join(root.itertext()))
    assert json.loads((tmp_path / "sarif").read_bytes())["runs"][0]["results"]
    text = (tmp_path / "summary").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 3 and rows[2].count("|") == rows[1].count("|") and clean(text)
    assert not re.search(r"\]\(|<(?!/?(details|summary)>)|`|javascript:|\*\*bold|@every|://192", text)


CELLS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(1)",
    "\tx",
    "\rx",
    "\n=x",
    "'quoted",
    "＝1",
    'a"b',
    "a,b",
    "a\r\nb",
    "",
    "plain",
    "\x1b]0;x\x07",
]


def test_ids_are_no_formulas_in_a_spreadsheet_and_can_be_read_back(tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([[safe_cell(one)] for one in CELLS])
    with path.open(newline="", encoding="utf-8") as stream:
        read = [row[0] for row in csv.reader(stream)]
    assert not any(cell.startswith(FORMULA) for cell in read)
    assert [cell[1:] if cell.startswith("'") else cell for cell in read] == CELLS
    assert len({safe_cell(one) for one in CELLS}) == len(CELLS)


def test_an_annex_of_formulas(outputs: Outputs, vestige: Run, tmp_path: Path) -> None:
    """Every forget example is exposed by a candidate that is sure of them: all ids stand in the exposed_ids."""
    ids = np.array([f"{CELLS[row % 9]}{row}" for row in range(len(outputs))])
    sure = outputs.candidate + 30 * np.eye(outputs.classes)[outputs.labels] * outputs.where("forget")[:, None]
    replace(outputs, id=ids, candidate=sure.astype(np.float32)).write(tmp_path / "o.npz")
    for name in ("=cmd|' /C calc'!A0", "../../up", "x" * 10_000, "模" * 300, "..", "a/b\\c"):
        where = ("--report", tmp_path / "r", "--exposed-ids", tmp_path / "exposed_ids", "--name", name)
        assert vestige("audit", "--outputs", tmp_path / "o.npz", *where).code == 1
    files = sorted((tmp_path / "exposed_ids").iterdir())
    assert len(files) == 6 and not any(path.name.startswith("=") for path in files)
    with files[0].open(newline="", encoding="utf-8") as stream:
        cells = [row[0] for row in csv.reader(stream)][1:]
    assert len(cells) == int(outputs.where("forget").sum()) and not any(one.startswith(FORMULA) for one in cells)
    assert {one[1:] if one.startswith("'") else one for one in cells} == set(ids[outputs.where("forget")].tolist())


def test_an_argument_that_is_no_utf_8(vestige: Run, tmp_path: Path, outputs: Outputs) -> None:
    """A file's name may hold any bytes; it becomes the candidate's, which UTF-8 must hold."""
    path = tmp_path / b"caf\xe9.npz".decode("utf-8", "surrogateescape")
    outputs.write(path)
    assert path.exists()
    said = vestige("audit", "--outputs", path, "--report", tmp_path / "report")
    assert said.code == 2 and "UTF-8" in said.refusal and not (tmp_path / "report").exists()


def test_a_name_of_the_audit_file(vestige: Run, tmp_path: Path) -> None:
    """Candidates are named by keys of the file, which stand in stages, tables and pages."""
    name = json.dumps(SIGNS["window title"] + SCRIPTS["script"])
    (tmp_path / "audit.toml").write_text(
        'workers = 1\ndata = {source = "digits"}\nforget = {random = 60, unseen = 100}\nmodel = {architecture = "mlp"'
        ", width = 16}\nrecipe = {epochs = 1}\nretrains = {count = 3}\n"
        f'[unlearners.{name}]\nmethod = "finetune"\n'
    )
    said = vestige("run", tmp_path / "audit.toml", "--workspace", tmp_path / "w")
    assert said.code in (0, 1, 3) and clean(said.out + said.err), said
    assert clean((tmp_path / "w" / "report" / "report.html").read_text())
