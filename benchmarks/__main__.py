"""``python -m benchmarks``: every benchmark that takes minutes, one after the other."""

import runpy

for name in (
    "training",
    "augmentation",
    "scoring",
    "shadow_scoring",
    "shadow_training",
    "shadow_variants",
    "outputs_scale",
    "startup",
):
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
