"""Ranges of hyper-parameters that several methods share."""

from typing import Annotated

from pydantic import Field

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""Learning rate as a multiple of the recipe's peak learning rate."""

Share = Annotated[float, Field(ge=0, le=10)]
"""Budget as a share of the recipe's epochs; 0 does nothing."""

Passes = Annotated[int, Field(ge=0, le=100_000)]
"""Passes over the forget set; 0 does nothing."""

BatchSize = Annotated[int, Field(ge=2)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000)]
