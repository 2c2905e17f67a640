"""Controls: a retrain is left in peace, a planted leak is found from some size on, no PASS stands on failed ones."""

from dataclasses import replace

import numpy as np
import pytest

from tests.audit.judging import judge
from vestige.audit.endpoints.simulation import World, constant, memorised
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Controls, NullControl
from vestige.audit.results.setting import CHOSEN
from vestige.audit.verdict.controls import SHARES, run_controls
from vestige.audit.verdict.evidence import gather
from vestige.audit.verdict.rule import decide
from vestige.learners.seeds import numpy_generator

SMALL = World(forget=600, unseen=3000, retain=200, retrains=5)
LARGE = World(forget=2000, unseen=10_000, retain=500, retrains=6)


def test_a_planted_leak_is_found_exactly_where_a_plain_audit_of_it_fails() -> None:
    """Each retrain in the candidate's place, with each share planted in its logits."""
    outputs, policy = SMALL.draw(1).outputs(), Policy()
    found = run_controls(outputs, CHOSEN, policy)
    caught = np.zeros(len(SHARES), int)
    order_of = np.flatnonzero(outputs.where("forget"))
    for k in range(5):
        order = numpy_generator(0, "planted leaks", k).permutation(order_of)
        for place, share in enumerate(SHARES):
            leaking = outputs.retrain[k].copy()
            chosen = order[: int(np.ceil(share * 600))]
            leaking[chosen] = outputs.original[chosen]
            others = np.delete(outputs.retrain, k, axis=0)
            found_by = gather(replace(outputs, candidate=leaking, retrain=others), CHOSEN, policy, plots=False)
            caught[place] += any(endpoint.decision == "outside" for endpoint in found_by.endpoints)
    assert [leak.caught for leak in found.planted] == caught.tolist() and caught[-1] == 5
    assert caught[0] == 0 and found.smallest == next(leak.share for leak in found.planted if leak.caught >= 4)


def test_the_null_control_stays_silent_simulation() -> None:
    """16 audits of 5 retrains each: an accusation needs a gap beyond the margin, not only one that is not zero."""
    accused = [bool(run_controls(SMALL.draw(seed).outputs(), CHOSEN, Policy()).accused) for seed in range(16)]
    assert not sum(accused)


def test_a_retrain_that_saw_the_forget_set_fails_the_null_control() -> None:
    outputs = SMALL.draw(2).outputs()
    retrains = outputs.retrain.copy()
    forget = outputs.where("forget")
    retrains[3, forget] = outputs.original[forget]
    found = run_controls(replace(outputs, retrain=retrains), CHOSEN, Policy())
    assert found.accused == ("retrain 4",)
    assert {"M", "S"} & set(found.null[3].outside) and not found.null[0].outside


def test_no_pass_stands_on_a_failed_control() -> None:
    outputs = LARGE.draw(1).outputs()
    policy = Policy()
    sound = gather(outputs, CHOSEN, policy, plots=False, controls=run_controls(outputs, CHOSEN, policy))
    assert decide(sound, policy).outcome == "PASS"
    failed = Controls("", (NullControl("retrain 2", ("M",)), NullControl("retrain 3", ())), (), None)
    verdict = decide(replace(sound, controls=failed), policy)
    assert (verdict.outcome, verdict.codes) == ("INCONCLUSIVE", ("REFERENCE",))
    assert "retrain 2" in verdict.explanations[0] and "retrain 3" not in verdict.explanations[0]
    leaking = replace(LARGE, candidate=memorised(1.5)).draw(1).outputs()
    caught = decide(gather(leaking, CHOSEN, policy, plots=False, controls=failed), policy)
    assert (caught.outcome, caught.codes) == ("INCONCLUSIVE", ("REFERENCE",))


@pytest.mark.parametrize(
    ("world", "reason", "planted"),
    [
        (replace(SMALL, retrains=3), "needs at least 4 retrains, got 3", 0),
        (replace(SMALL, retrains=1), "needs at least 4 retrains, got 1", 0),
        (replace(SMALL, original=None), "", 0),
        (SMALL, "", len(SHARES)),
    ],
)
def test_controls_say_why_they_were_not_run(world: World, reason: str, planted: int) -> None:
    found = run_controls(world.draw(1).outputs(), CHOSEN, Policy())
    assert (found.reason, len(found.planted)) == (reason, planted)
    assert len(found.null) == (0 if reason else world.retrains)


def test_a_retrain_that_is_the_candidate_takes_no_part() -> None:
    outputs = SMALL.draw(5).outputs()
    copied = replace(outputs, candidate=outputs.retrain[1])
    every = run_controls(outputs, CHOSEN, Policy())
    audit = judge(copied, Policy(), name="copy", controls=every)
    assert audit.controls is not None
    assert [control.retrain for control in audit.controls.null] == ["retrain 1", "retrain 3", "retrain 4", "retrain 5"]
    assert judge(outputs, Policy(), name="own", controls=every).controls == every


def test_a_smaller_leak_needs_more_retrains_or_examples_to_be_found() -> None:
    few = run_controls(replace(SMALL, forget=200, unseen=1500).draw(6).outputs(), CHOSEN, Policy())
    many = run_controls(replace(SMALL, forget=2000, unseen=8000, retrains=8).draw(6).outputs(), CHOSEN, Policy())
    assert many.smallest is not None and (few.smallest is None or few.smallest > many.smallest)
    blind = run_controls(replace(SMALL, original=constant(0.0)).draw(7).outputs(), CHOSEN, Policy())
    assert blind.smallest is None and all(leak.caught == 0 for leak in blind.planted)
