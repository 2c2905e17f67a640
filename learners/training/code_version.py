"""Which source decided about a model's weights and logits: part of the name of every artefact made from them."""

from vestige.learners.files.source_code import source_version

_ENTRIES = ("vestige.learners.training.train_many", "vestige.learners.training.inference")
_ASIDE = (  # messages, digests, where a job runs, what is kept of it
    "vestige.learners.engine",
    "vestige.learners.errors",
    "vestige.learners.files.io",
    "vestige.learners.progress",
    "vestige.learners.training.ledger",
)


def code_version(*more: str) -> str:
    """Digest of the source that determines a model: training and inference, the modules or packages ``more``, all that
    these import, and the versions of torch and torchvision."""
    return source_version(*_ENTRIES, *more, aside=_ASIDE, libraries=("torch", "torchvision"))
