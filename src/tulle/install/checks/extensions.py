"""The checks of extensions: each is a program that answers `check --output=json`."""

import asyncio
import json
import shutil
import sys
from typing import Any

from tulle import names
from tulle.install.checks.model import HINTS, Line, Result, Section

Json = dict[str, Any]

BUILT_IN = ("viz",)
RESULTS = {result.value: result for result in Result}


def command_of(extension: str) -> list[str] | None:
    """The program on PATH wins over the one that is built in."""
    executable = shutil.which(f"{names.PROGRAM}-{extension}")
    if executable:
        return [executable]
    if extension in BUILT_IN:
        return [sys.executable, "-m", "tulle.cli.main", extension]
    return None


async def extension_sections(extension: str, arguments: list[str]) -> list[Section]:
    """What an extension says of itself; that it cannot be asked is a finding too."""
    category = f"{names.PROGRAM}-{extension}"
    command = command_of(extension)
    if command is None:
        text = f"the extension {extension} can be checked"
        missing = f"{category} is not on PATH, so its checks cannot be run"
        return [Section(category, (Line(text, Result.WARNING, missing, f"{HINTS}extensions"),))]
    process = await asyncio.create_subprocess_exec(
        *command,
        "check",
        "--output=json",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    try:
        return _sections(json.loads(output))
    except (ValueError, KeyError, TypeError):
        said = (errors or output).decode(errors="replace").strip().splitlines()
        cause = said[-1] if said else f"exit code {process.returncode}"
        text = f"the extension {extension} answers with its checks"
        line = Line(text, Result.ERROR, f"{command[0]} check: {cause}", f"{HINTS}extensions")
        return [Section(category, (line,))]


def _sections(content: Json) -> list[Section]:
    return [
        Section(
            category["categoryName"],
            tuple(
                Line(
                    check["description"],
                    RESULTS[check["result"]],
                    check.get("error"),
                    check.get("hint"),
                )
                for check in category["checks"]
            ),
        )
        for category in content["categories"]
    ]
