"""Why some ops have no lowering, for those that people meet."""

from __future__ import annotations

from collections.abc import Mapping

_COMPLEX = "complex numbers, which the IR lacks"
_TRAINING = "only training uses it"
_SOLVER = "a matrix is decomposed or solved for, which no op of the IR does"
_MEMORY = "how its argument lies in memory decides, which the IR does not know"
_BINS = "the sizes of its bins depend on data"

_BY_NAME: Mapping[str, str] = {
    **dict.fromkeys(("stft", "istft", "view_as_real", "view_as_complex", "complex", "polar", "imag"), _COMPLEX),
    **dict.fromkeys(("_ctc_loss", "ctc_loss"), _TRAINING),
    **dict.fromkeys(("logdet", "cholesky", "cholesky_solve", "lu_solve", "ormqr", "geqrf"), _SOLVER),
    **dict.fromkeys(("sym_storage_offset", "sym_is_contiguous"), _MEMORY),
    **dict.fromkeys(("torchvision::roi_pool", "torchvision::ps_roi_pool"), _BINS),
    "unique_dim": "whole slices are compared and put in order",
    "multinomial": "its draws follow torch's own generator",
    "equal": "its answer is a Python bool that only data decide",
}
_BY_PREFIX: Mapping[str, str] = {
    **dict.fromkeys(("fft_", "_fft_"), _COMPLEX),
    **dict.fromkeys(("linalg_", "_linalg_"), _SOLVER),
    "as_strided": _MEMORY,
}


def reason_for(op: str) -> str | None:
    """Why `as_strided`, or `torchvision::roi_pool`, cannot be lowered, where that is known."""
    if op.endswith("_backward"):
        return _TRAINING
    return _BY_NAME.get(op) or next((why for prefix, why in _BY_PREFIX.items() if op.startswith(prefix)), None)


def described(name: str) -> str:
    """`aten::as_strided`, or `aten.as_strided.default`, followed by the reason."""
    namespace, separator, rest = name.partition("::")
    if not separator:
        namespace, _, rest = name.partition(".")
    op = rest.partition(".")[0]
    reason = reason_for(op if namespace == "aten" else f"{namespace}::{op}")
    return name if reason is None else f"{name} ({reason})"
