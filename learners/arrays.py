"""Array types, each standing once: the element type and, where a name fixes it, the shape.

A dimension's name means the same size wherever it appears in one signature; the test run checks that
(``--jaxtyping-packages``), a run of the program does not pay for it. A shape of its own is written beside the use:
``Float64[Array, "models n"]``; a single dimension with a space before it, ``Float64[Array, " n"]``.
"""

from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, UInt8
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

Floats: TypeAlias = Float64[NDArray[np.float64], "..."]
"""Any shape."""
Mask: TypeAlias = Bool[NDArray[np.bool_], "..."]
"""Any shape."""
Logits: TypeAlias = Float[NDArray[np.floating[Any]], "..."]
"""float32 or float64, classes last unless said otherwise."""
Images: TypeAlias = UInt8[NDArray[np.uint8], "n height width channels"]
Labels: TypeAlias = Int64[NDArray[np.int64], " n"]
Indices: TypeAlias = Int64[NDArray[np.int64], " _"]
"""Places in one ``Examples``; two of them in one signature may differ in length."""
