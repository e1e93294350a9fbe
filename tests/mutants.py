"""Which faults the tests notice: lines are changed a little, one change ("mutant") at a time, and a test must fail.

    python -m tests.mutants                 all modules that `tool.mutmut` in pyproject.toml names
    python -m tests.mutants locate hub      these of them alone

mutmut makes the mutants and runs the tests that reach each. The counts of every module that was tried are kept in
tests/mutants.json, and what survived: give each new survivor its reason there, one of those of docs/mutants.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "tests" / "mutants.json"
LEAST = 0.85  # of the mutants of a module must be noticed
MUTATED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]["only_mutate"]
MODULES = {Path(path).stem: Path(path) for path in MUTATED}
"""Name -> file of each module that is tried."""


def noticed(row: dict) -> float:
    """The share of a module's mutants that made a test fail, or ran without end."""
    return (row["killed"] + row["timeout"]) / row["mutants"]


def table(results: dict[str, dict]) -> str:
    """A line for each module, as docs/mutants.md has it."""
    lines = ["| module | mutants | killed | timeout | survived | noticed |", "|---|---|---|---|---|---|"]
    counts = ("mutants", "killed", "timeout", "survived")
    total = {name: sum(row[name] for row in results.values()) for name in counts}
    for module, row in (results | {"all": total}).items():
        lines.append(f"| {module} | {' | '.join(f'{row[name]:,}' for name in counts)} | {100 * noticed(row):.1f} % |")
    return "\n".join(lines)


def measured(module: str, before: list[dict]) -> dict:
    """What mutmut left of a module: its counts and its survivors, each with the reason that was given before, or ""."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant
    from mutmut.stats import status_by_exit_code
    from mutmut.utils.format_utils import parse_mutant_key

    path = MODULES[module]
    codes = json.loads((ROOT / "mutants" / f"{path}.meta").read_text())["exit_code_by_key"]
    # One that makes a library read memory that is not its own ends the tests as well.
    status = {name: status_by_exit_code[code].replace("segfault", "killed") for name, code in codes.items()}
    counts = Counter(status.values())
    reasons = {(s["where"], s["was"], s["became"]): s["why"] for s in before}
    survivors = []
    for name in codes:
        if status[name] in ("killed", "timeout"):
            continue
        function, kind = parse_mutant_key(name.rpartition("__mutmut_")[0].rpartition(".")[2])
        lines = get_diff_for_mutant(name, path=path).splitlines()[2:]
        was, became = (" ".join(line[1:].strip() for line in lines if line[:1] == sign) for sign in "-+")
        where = f"{kind}.{function}" if kind else function
        why = reasons.get((where, was, became), "")
        survivors.append({"where": where, "was": was, "became": became, "why": why})
    return {
        "mutants": len(codes),
        "killed": counts["killed"],
        "timeout": counts["timeout"],
        "survived": len(survivors),
        "survivors": survivors,
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Try small changes of the modules on their tests.")
    parser.add_argument("modules", nargs="*", metavar="module", help=f"all by default: {', '.join(MODULES)}")
    parser.add_argument("--workers", type=int, default=2, help="mutants that are tried at a time (2)")
    options = parser.parse_args(arguments)
    if unknown := set(options.modules) - set(MODULES):
        parser.error(f"{', '.join(sorted(unknown))}: valid are {', '.join(MODULES)}")
    modules = [module for module in MODULES if module in options.modules or not options.modules]
    shutil.rmtree(ROOT / "mutants", ignore_errors=True)  # answers of older tests
    # Real pictures are not on every machine, and the counts are to be the same on each.
    env = {name: value for name, value in os.environ.items() if name not in ("BLOOD_CELLS_DIR", "PBC_DIR")}
    mutmut = [Path(sys.executable).parent / "mutmut", "run", "--max-children", str(options.workers)]
    subprocess.run(
        [*mutmut, *(f"{'.'.join(MODULES[module].with_suffix('').parts)}.*" for module in modules)],
        cwd=ROOT,
        env=env,
        check=True,
    )
    os.chdir(ROOT)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results |= {module: measured(module, results.get(module, {}).get("survivors", [])) for module in modules}
    results = {module: results[module] for module in MODULES if module in results}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    print(table(results))
    return int(any(noticed(results[module]) < LEAST for module in modules))


if __name__ == "__main__":
    sys.exit(main())
