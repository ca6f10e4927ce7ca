"""Fails for files over 500 lines and Python functions over 60, unless a reason stands here."""

import ast
import subprocess
import sys
from pathlib import Path

FILE_LINES = 500
FUNCTION_LINES = 60
REASONS: dict[str, str] = {}


def files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.rs", "*.ts"], capture_output=True, text=True, check=True
    )
    return [Path(name) for name in listed.stdout.splitlines() if Path(name).exists()]


def long_functions(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES and f"{path}:{node.name}" not in REASONS:
                found.append(f"{path}:{node.lineno}: {node.name} has {lines} lines")
    return found


def main() -> None:
    problems = []
    for path in files():
        lines = len(path.read_text().splitlines())
        if lines > FILE_LINES and str(path) not in REASONS:
            problems.append(f"{path}: {lines} lines")
        if path.suffix == ".py":
            problems.extend(long_functions(path))
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise SystemExit(f"sizes: split these, or give a reason in {__file__}")


if __name__ == "__main__":
    main()
