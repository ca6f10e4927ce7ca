"""One chart: its marks, what is rendered from them, and the files that come of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from charting.conditional import Entry, List, Node, Without, branched, combined, unconditional
from charting.marks import Marks, Off, at, reference
from charting.schema import emptied, schema
from charting.template import Writer

Json = dict[str, Any]

WRITTEN = "{{- /* Written by `make charts` from src/tulle/install; change it there. */ -}}"


@dataclass(frozen=True, slots=True)
class Form:
    """Values that change the whole build of what is rendered, and when they hold."""

    condition: str
    values: Json


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a text must be like, and the words for what it is then."""

    regex: str
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    name: str
    defaults: Json
    free: frozenset[str]
    marks: Callable[[], Marks]
    objects: Callable[[Json, Off | None], list[Json]]
    header: Callable[[str], list[str]]
    file_of: Callable[[Json], str]
    # The first whose condition holds counts; the last has none.
    forms: tuple[Form, ...] = (Form("", {}),)
    rules: dict[str, Json] = field(default_factory=dict)  # of the schema: path -> constraints
    patterns: dict[str, Pattern] = field(
        default_factory=dict
    )  # path -> of a text, or each of a list

    def files(self) -> dict[str, str]:
        """All that is written of the chart: path in it, and text."""
        found = {f"templates/{name}": text for name, text in self._templates().items()}
        found["values.schema.json"] = _json(schema(self.defaults, self.free, self.rules))
        empty = _json(emptied(self.defaults, self.free))
        define = [f'{{{{- define "{self.name}.empty" -}}}}', empty.rstrip(), "{{- end }}"]
        checks = [f'{{{{- define "{self.name}.checked" }}}}', "{{- $values := . }}"]
        for path, pattern in self.patterns.items():
            checks += _check(path, pattern, isinstance(at(self.defaults, path), list))
        lines = [WRITTEN, *define, *checks, "{{- end }}", ""]
        found["templates/_checks.tpl"] = "\n".join(lines)
        return found

    def _templates(self) -> dict[str, str]:
        marks = self.marks()
        files: dict[str, list[Entry]] = {}
        for entry in self._tree(marks).entries:
            files.setdefault(self.file_of(unconditional(entry.node)), []).append(entry)
        return {f"{name}.yaml": self._file(marks, name, files[name]) for name in sorted(files)}

    def _tree(self, marks: Marks) -> List:
        *others, last = self.forms
        found = self._of_form(marks, last)
        for form in reversed(others):
            found = branched(form.condition, self._of_form(marks, form), found)
        if not isinstance(found, List):
            raise TypeError("no form has a list of objects")
        return found

    def _of_form(self, marks: Marks, form: Form) -> Node:
        full = self.objects(marks.values, Off("", form.values))
        withouts = [
            Without(
                off.condition,
                self.objects(marks.values, Off("", {**form.values, **off.values})),
                off.mark,
                off.empty,
            )
            for off in marks.offs
            if not form.values.keys() & off.values.keys()
        ]
        return combined(full, withouts)

    def _file(self, marks: Marks, name: str, entries: list[Entry]) -> str:
        header = self.header(name)
        writer = Writer(self.name, marks, header)
        lines = [line for entry in entries for line in writer.document(entry)]
        return "\n".join([WRITTEN, *writer.definitions(), *header, *lines, ""])


def _check(path: str, pattern: Pattern, is_list: bool) -> list[str]:
    """Lines that refuse a text which does not match; an empty one has a default."""
    verb, value = ("holds", ".") if is_list else ("is", reference(path))
    sentence = json.dumps(f"{path} {verb} %q, which is not {pattern.words}")
    lines = [
        f"{{{{- if not (regexMatch {json.dumps(pattern.regex)} (toString {value})) }}}}",
        f"{{{{- fail (printf {sentence} (toString {value})) }}}}",
        "{{- end }}",
    ]
    return [f"{{{{- range {reference(path)} }}}}", *lines, "{{- end }}"] if is_list else lines


def _json(tree: Json) -> str:
    return json.dumps(tree, indent=2) + "\n"
