"""Synthetic audits with shadow models: the same examples, and models of the same world beside its own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.scores.lira import lira
from vestige.attacks.scores.ulira import ulira
from vestige.audit.endpoints.readings import calibration_of
from vestige.audit.endpoints.simulation import World
from vestige.audit.policy import Policy
from vestige.audit.results.shadows import FEWEST, ShadowEvidence, ShadowTables
from vestige.learners.seeds import numpy_generator

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shadowed:
    """shadows: how many; unlearned: on how many of them the method was run (0 for none). residue: share of what a
    shadow memorised that the method leaves (1: it does nothing; below 0: it overshoots). memorised: mean of that."""

    world: World
    shadows: int = 64
    unlearned: int = 64
    residue: float = 0.0
    memorised: float = 1.5

    def draw(self, seed: int, policy: Policy) -> tuple[Outputs, ShadowTables]:
        """The outputs of an audit, and what its shadows say about every model."""
        world, random = self.world, np.random.default_rng([seed, 7])
        table, n = world.draw(seed), world.forget + world.unseen
        phi = table.phi[:, :n]
        k = world.retrains
        difficulty = _difficulty(world, seed)
        half = np.stack([random.permutation(n) % 2 == 0 for _ in range(self.shadows // 2)])
        member = np.stack([half, ~half], axis=1).reshape(self.shadows, n)
        known = random.exponential(self.memorised, (self.shadows, n)) * member
        noise = random.normal(size=(self.shadows, n))
        trained = difficulty + noise + known
        asked = np.arange(n) < 2 * world.forget
        forgot = member & asked
        after = difficulty + noise + np.where(forgot, self.residue * known, known)
        online, offline = (lira(phi, trained, member, form=form) for form in ("online", "offline"))
        tables = {"lira_online": online.scores, "lira_offline": offline.scores}
        forget = table.role[:n] == "forget"
        outputs = table.outputs()
        calibration = calibration_of(outputs, np.arange(n), policy.calibration_share)
        attacks = [f"{name} (variance {online.variance})" for name in tables]
        unseen = 0
        if self.unlearned:
            part = slice(0, self.unlearned)
            worlds = (after[part][:, asked], forgot[part][:, asked])
            scores = np.zeros((k + 2, n))
            found = ulira(phi[:, asked], *worlds, worlds[0], ~member[part][:, asked])
            scores[:, asked] = found.scores
            tables["ulira"] = scores
            attacks.append(f"ulira (variance {found.variance})")
            unseen = int((asked & ~forget & ~calibration).sum())
        if self.shadows < FEWEST:  # an audit does not ask so few
            tables, attacks, unseen = {}, [], 0
        evidence = ShadowEvidence("bank-0123456789abcdef", self.shadows, self.unlearned, tuple(attacks), unseen)
        return outputs, ShadowTables(evidence, tables, asked if self.unlearned else np.zeros(n, np.bool_))


def _difficulty(world: World, seed: int) -> Floats:
    """The difficulties that ``world.draw(seed)`` draws: those of the examples, before anything about a model."""
    found = numpy_generator(seed, "synthetic table").normal(world.level, world.difficulty, world.forget + world.unseen)
    found[: world.forget] += world.forget_difficulty
    return found
