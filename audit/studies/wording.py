"""What the page of a study says in words."""

SETTINGS = {"sample": "Examples", "class": "Whole classes", "subject": "Data subjects"}
COLUMNS = (
    "candidate",
    "RA",
    "UA",
    "TA",
    "MIA-efficacy (SVC, confidence)",
    "Avg. Gap",
    "A2 gap",
    "verdict (first reason)",
    "PFLOPs",
    "retrain = 1",
    "seconds",
)

DEFINITIONS = """\
All accuracies are in percent, in eval mode, without augmentation. None of the first four columns is better when higher
or lower: what counts is the distance to Retrain, whose values are in the first row. They are what papers report and do
not enter the verdict. A spread (±) is a standard deviation (n - 1): of a candidate over the seeds, of Retrain over all
retrains of all seeds.

- **RA**: accuracy on the retain set. **UA**: 100 minus the accuracy on the forget set. **TA**: accuracy on the test
  images; where a class is forgotten, on the test images of the remaining classes; where data subjects are, on the
  unseen examples. Data without a test part: on the unseen examples, or where a class is forgotten on the validation
  examples, which the stopping rules of some methods have seen.
- **MIA-efficacy (SVC, confidence)**: the share of forget examples that an attack calls non-members, as in l1-sparse,
  SalUn and CoUn. A support vector classifier (C = 3, gamma = "auto", radial kernel) learns the probability of the true
  label on the first m retain examples (members) and the first m images of TA (non-members; so, as in the released
  code, without a forgotten class), in stored order; m is the number of the images of TA, or of the retain examples
  where these are fewer. For the fit, probabilities are rounded to a thousandth, and equal ones merged into one with a
  weight. A forgotten class lies where the classifier has learnt from hardly any examples: there it says 100, or with
  few images 0 or 100 by chance.
- **Avg. Gap**: mean absolute difference to Retrain over these four, in percentage points; a gap of means over the
  seeds (those where the method did not refuse), not a mean of gaps. Noise does not cancel in it: `fresh_retrain`, one
  more retrain a seed, is the floor.
- **A2 gap**: AUC of the R-LiRA score of forget against unseen examples, candidate minus the mean of the retrains.
- **verdict**: vestige's own, counted over the seeds, with the first reason codes.
- **PFLOPs**: counted 1e15 floating-point operations of the method, and as a share of one retrain's. **seconds**: wall
  time of the method on the machine that ran it; not comparable between machines. All three are means over the seeds."""
