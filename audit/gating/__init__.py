"""The compliance gate over reports, what it writes for CI, and the comparison of two reports."""

from audit.gating._cases import Case, cases
from audit.gating._compare import Compared, Comparison, Measure, Pair, compare, compare_reports
from audit.gating._evidence import Cited
from audit.gating._gate import Gate, Judged, Requirement, gate
from audit.gating._in_toto import in_toto
from audit.gating._junit import junit
from audit.gating._reading import read
from audit.gating._sarif import sarif
from audit.gating._summary import summary
from audit.gating._text import one_line
from audit.gating._writing import check_targets, write

__all__ = [
    "Case",
    "Cited",
    "Compared",
    "Comparison",
    "Gate",
    "Judged",
    "Measure",
    "Pair",
    "Requirement",
    "cases",
    "check_targets",
    "compare",
    "compare_reports",
    "gate",
    "in_toto",
    "junit",
    "one_line",
    "read",
    "sarif",
    "summary",
    "write",
]
