"""The policy: margins, error rate and required evidence, fixed before a candidate is looked at."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from vestige.audit.files.toml import read_toml
from vestige.audit.results.evidence import Grade
from vestige.learners.errors import ConfigError
from vestige.learners.files.io import canonical_json, digest
from vestige.learners.files.validation import refusal

ProfileName = Literal["strict", "standard", "screening"]
PROFILES: Mapping[ProfileName, float] = {"strict": 0.03, "standard": 0.05, "screening": 0.10}
"""Margin on the AUC endpoints of each profile; every other setting has the same default in all three."""


LOOKS = (3, 4, 5, 6, 8, 10, 13, 16, 20)
"""Numbers of retrains at which a sequential audit is judged; it can PASS from five on (a random draw from three)."""


def level_of(alpha: float, sequential: bool) -> float:
    """Error rate of one look, of which there may be as many as ``LOOKS``: half of ``alpha``, not a ninth, as looks
    share the candidate and most retrains (simulated: docs/simulations.md, "Looking again")."""
    return alpha / 2 if sequential else alpha


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Policy:
    """What an audit requires.

    profile: gives ``margin_auc`` its default (strict .03, standard .05, screening .10). Margins: largest tolerated gap
    to the retrains, as a fraction; margin_auc: on M, S, B, V; margin_tpr: on T, a TPR at ``fpr``; margin_labels: on L,
    accuracy on the forget set; margin_shape: on D; margin_group: on G, within one group of the forget set.
    worst_group: report, or enforce: no PASS unless every group is within. margin_utility: tolerated loss of accuracy;
    margin_loss: tolerated increase of the loss, as a share of it, for scores without classes. alpha: error rate of a
    false PASS, and of a false FAIL over all endpoints together; utility is tested separately. min_evidence: lowest
    grade of evidence for PASS. accept_vacuous: an original on which no attack finds anything does not stand in the way
    of PASS. inconclusive: whether a gate fails or warns on INCONCLUSIVE. calibration_share: share of the unseen
    examples used for thresholds and centring only. sequential: the audit is judged again as retrains are added, at
    ``LOOKS``, each time at ``level``, so that ``alpha`` holds for all looks together. Source: docs/verdict.md,
    "Endpoints".
    """

    profile: ProfileName = "standard"
    margin_auc: Annotated[float, Field(strict=True, gt=0, lt=0.5)] = 0.05
    margin_tpr: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.02
    margin_group: Annotated[float, Field(strict=True, gt=0, lt=0.5)] = 0.10
    margin_labels: Annotated[float, Field(strict=True, gt=0, lt=0.5)] = 0.05
    margin_shape: Annotated[float, Field(strict=True, gt=0, lt=0.5)] = 0.10
    margin_utility: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.02
    margin_loss: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.05
    alpha: Annotated[float, Field(strict=True, gt=0, le=0.2)] = 0.05
    fpr: Annotated[float, Field(strict=True, gt=0, le=0.2)] = 0.01
    min_evidence: Grade = "B"
    accept_vacuous: Annotated[bool, Field(strict=True)] = False
    worst_group: Literal["report", "enforce"] = "report"
    inconclusive: Literal["fail", "warn"] = "fail"
    calibration_share: Annotated[float, Field(strict=True, ge=0.05, le=0.5)] = 0.2
    sequential: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="before")
    @classmethod
    def _margin_of_profile(cls, data: Any) -> Any:
        settings = dict(data.kwargs or {}) if isinstance(data, ArgsKwargs) else data
        if not isinstance(settings, Mapping) or (isinstance(data, ArgsKwargs) and data.args):
            return data
        name = settings.get("profile", "standard")
        if "margin_auc" in settings or not isinstance(name, str) or name not in PROFILES:
            return data
        settings = {**settings, "margin_auc": PROFILES[cast(ProfileName, name)]}
        return ArgsKwargs((), settings) if isinstance(data, ArgsKwargs) else settings

    @classmethod
    def of(cls, settings: Mapping[str, Any], where: str = "policy") -> "Policy":
        """The policy of a table of settings; ``where`` is the table's name in a refusal (ConfigError)."""
        for key in ("conservative", "calibration_seed"):
            if key in settings:
                raise ConfigError(f"{where}.{key}: expected no such setting since battery 3, got one; remove the line")
        try:
            return TypeAdapter(cls).validate_python(dict(settings))
        except ValidationError as error:
            raise ConfigError(refusal(error, where, cls.__dataclass_fields__)) from None

    @classmethod
    def read(cls, path: Path) -> "Policy":
        """The policy of a TOML file: its table ``[policy]``, or its top level where it has no such table.

        Other top-level keys next to ``[policy]`` are refused, like every unknown key (ConfigError); so is a file that
        cannot be read (DataError).
        """
        content = read_toml(path, "a readable TOML policy file")
        if "policy" not in content:
            return cls.of(content, str(path))
        unknown = sorted(content.keys() - {"policy"})
        if unknown:
            raise ConfigError(f"{path}: expected only the table [policy], got the key {unknown[0]!r}; remove it")
        if not isinstance(content["policy"], dict):
            raise ConfigError(f"{path}: policy: expected a table [policy], got {content['policy']!r}")
        return cls.of(content["policy"], f"{path}: policy")

    @property
    def hash(self) -> str:
        """SHA-256 (hexadecimal) of the settings as canonical JSON."""
        return digest(canonical_json(asdict(self)))

    @property
    def level(self) -> float:
        """Error rate of one look."""
        return level_of(self.alpha, self.sequential)

    @property
    def margins(self) -> str:
        """The margins in words, for the first line of a report."""
        return f"AUC {self.margin_auc:g}, TPR {self.margin_tpr:g} at FPR {self.fpr:g}, labels {self.margin_labels:g}"

    @property
    def overrides(self) -> tuple[str, ...]:
        """The settings that differ from the profile's own, as ``key = value``."""
        defaults = asdict(profile(self.profile))
        return tuple(f"{key} = {value}" for key, value in asdict(self).items() if defaults[key] != value)


def profile(name: str) -> Policy:
    """The policy of a profile: ``strict``, ``standard`` or ``screening``; another name is a ConfigError."""
    return Policy.of({"profile": name})
