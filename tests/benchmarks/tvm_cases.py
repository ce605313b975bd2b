"""Every case of every op row on TVM against the evaluator: `python -m tests.benchmarks.tvm_cases [ROW ...]`.

Optimized as programs are; rows that the kernel library serves also with the default loops alone. The tests run a choice
of the cases. Ends with status 1 where anything differs.
"""

from __future__ import annotations

import sys
from itertools import islice

from isthmus.backends.tvm import TVMBackend
from isthmus.backends.tvm.schedules.table import GENERATORS
from isthmus.ir import ops
from tests.backends.tvm.agreement import disagreements
from tests.support.opcases import cases_for
from tests.support.together import is_taken

AT_ONCE = 60
"""Cases of one program."""


def main() -> int:
    """Run the named rows, or all; print what differs."""
    total = refused = wrong = 0
    backend, plain = (TVMBackend(is_isolated=False, is_generating=generating) for generating in (True, False))
    for name in sys.argv[1:] or ops.TABLE:
        cases = cases_for(ops.TABLE[name])
        taken = [case for case in cases if is_taken(case, backend)]
        total, refused = total + len(cases), refused + len(cases) - len(taken)
        rest = iter(taken)
        while some := list(islice(rest, AT_ONCE)):
            found = disagreements(some, backend)
            if name in GENERATORS:
                found += [f"{each}, by the default loops" for each in disagreements(some, plain)]
            wrong += len(found)
            print(*found, sep="\n", end="\n" * bool(found), flush=True)
    print(f"{total} cases, {refused} refused with a reason, {wrong} disagreements")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
