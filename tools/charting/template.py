"""Conditional trees as Helm templates: YAML in which marks are expressions. Pure."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from charting.conditional import Choice, Entry, Leaf, List, Map, Node, both
from charting.marks import Marks

EMBEDDED = "zqEMBEDDEDzq"  # the only key of a map that is a text of YAML in its object
ENVIRONMENT = "zqENVIRONMENTzq"  # the only key of a map whose list takes the user's variables
JOINED = "zqJOINEDzq"  # the only key of a map whose list is one text, with blanks between


@dataclass(slots=True)
class Writer:
    """Writes one file of templates."""

    chart: str
    marks: Marks
    header: list[str]  # in front of all that uses values
    defined: dict[str, list[str]] = field(default_factory=dict)  # lines of the named templates

    def document(self, entry: Entry) -> list[str]:
        body = ["---", *self.block(entry.node, 0)]
        return _guarded(entry.conditions, body, 0)

    def block(self, node: Node, indent: int) -> list[str]:
        """The lines of a map or a list."""
        lines: list[str] = []
        if isinstance(node, Map):
            own = [entry for entry in node.entries if entry.key not in self.marks.wholes]
            lines += self._users(node, own, indent)
            for entry in own:
                lines += _guarded(
                    entry.conditions, self._keyed(entry.key, entry.node, indent), indent
                )
        elif isinstance(node, List):
            for entry in node.entries:
                lines += _guarded(entry.conditions, self._item(entry.node, indent), indent)
        else:
            raise TypeError(f"{node} is neither a map nor a list")
        return lines

    def _users(self, node: Map, own: list[Entry], indent: int) -> list[str]:
        """The keys that the user brings into a map of ours, which win over none of ours."""
        wholes = [self.marks.wholes[e.key] for e in node.entries if e.key in self.marks.wholes]
        if not wholes:
            return []
        merged = f"merge (dict) {' '.join(reversed(wholes))}"
        keys = " ".join(json.dumps(entry.key) for entry in own)
        pad = " " * indent
        return [
            f"{pad}{{{{- with omit ({merged}) {keys} }}}}",
            f"{pad}{{{{- toYaml . | nindent {indent} }}}}",
            f"{pad}{{{{- end }}}}",
        ]

    def _keyed(self, key: str, node: Node, indent: int) -> list[str]:
        pad = " " * indent
        name = yaml_text(key)
        if isinstance(node, Choice):
            yes, no = self._keyed(key, node.yes, indent), self._keyed(key, node.no, indent)
            return _either(node.condition, yes, no, pad)
        if (whole := self._whole(node)) is not None:
            return [f"{pad}{name}:", f"{pad}  {{{{- toYaml {whole} | nindent {indent + 2} }}}}"]
        if (special := self._special(node)) is not None:
            word, inner = special
            return self._named(name, word, inner, indent)
        if isinstance(node, Map | List):
            if not node.entries:
                return [f"{pad}{name}: {'{}' if isinstance(node, Map) else '[]'}"]
            return [f"{pad}{name}:", *self.block(node, indent + 2)]
        return [f"{pad}{name}: {self.scalar(node.value)}"]

    def _item(self, node: Node, indent: int) -> list[str]:
        pad = " " * indent
        if isinstance(node, Choice):
            yes, no = self._item(node.yes, indent), self._item(node.no, indent)
            return _either(node.condition, yes, no, pad)
        if isinstance(node, Leaf):
            if isinstance(node.value, str) and node.value in self.marks.wholes:
                whole = self.marks.wholes[node.value]
                return [
                    f"{pad}{{{{- with {whole} }}}}",
                    f"{pad}{{{{- toYaml . | nindent {indent} }}}}",
                    f"{pad}{{{{- end }}}}",
                ]
            return [f"{pad}- {self.scalar(node.value)}"]
        lines = self.block(node, indent + 2)
        first = next(place for place, line in enumerate(lines) if "{{-" not in line)
        if first:
            raise ValueError(f"an item that begins with a condition: {lines[:3]}")
        return [f"{pad}- {lines[0].lstrip()}", *lines[1:]]

    def _whole(self, node: Node) -> str | None:
        """The value that a map or a list is, if it is nothing else."""
        if isinstance(node, Map) and len(node.entries) == 1:
            return self.marks.wholes.get(str(node.entries[0].key))
        if isinstance(node, List) and len(node.entries) == 1:
            inner = node.entries[0].node
            if isinstance(inner, Leaf):
                return self.marks.wholes.get(str(inner.value))
        return None

    def _special(self, node: Node) -> tuple[str, Node] | None:
        if isinstance(node, Map) and len(node.entries) == 1:
            (entry,) = node.entries
            if entry.key in (EMBEDDED, ENVIRONMENT, JOINED):
                return entry.key, entry.node
        return None

    def _named(self, name: str, word: str, inner: Node, indent: int) -> list[str]:
        """A template of its own, as a text that is quoted elsewhere too, or is read again."""
        pad = " " * indent
        if word == EMBEDDED:
            label = self._define(name, inner)
            return [
                f"{pad}{name}: |",
                f'{pad}  {{{{- include "{label}" $ | nindent {indent + 2} }}}}',
            ]
        assert isinstance(inner, Map)
        (entry,) = inner.entries
        if word == JOINED:
            label = self._define(f"joined.{entry.key}", entry.node)
            text = f'include "{label}" $ | fromYamlArray | join " " | toJson'
            return [f"{pad}{name}: {{{{ {text} }}}}"]
        label = self._define(f"environment.{entry.key}", entry.node)
        use = f'include "{self.chart}.environment" (list $ "{label}") | nindent {indent + 2}'
        return [f"{pad}{name}:", f"{pad}  {{{{- {use} }}}}"]

    def _define(self, name: str, node: Node) -> str:
        """The name of a template with that content; another content of that name gets a number."""
        values = [line for line in self.header if "$values :=" in line]
        body = [*values, *self.block(node, 0)]
        label, number = f"{self.chart}.{name}", 1
        while self.defined.setdefault(label, body) != body:
            number += 1
            label = f"{self.chart}.{name}.{number}"
        return label

    def definitions(self) -> list[str]:
        return [
            line
            for label, body in self.defined.items()
            for line in (f'{{{{- define "{label}" }}}}', *body, "{{- end }}")
        ]

    def scalar(self, value: Any) -> str:
        text = value if isinstance(value, str) else json.dumps(value)
        pieces = self._pieces(text)
        if len(pieces) == 1 and not isinstance(pieces[0], Expression):
            return yaml_text(value) if isinstance(value, str) else text
        if len(pieces) == 1:
            expression = pieces[0].text
            is_text = isinstance(value, str)
            if is_text:
                return f"{{{{ {expression} | toJson }}}}"
            return f"{{{{ {expression.strip('()')} }}}}"
        form = "".join("%s" if isinstance(p, Expression) else p.replace("%", "%%") for p in pieces)
        words = " ".join(piece.text for piece in pieces if isinstance(piece, Expression))
        return f"{{{{ printf {json.dumps(form)} {words} | toJson }}}}"

    def _pieces(self, text: str) -> "list[str | Expression]":
        if not self.marks.meanings:
            return [text]
        known = sorted(self.marks.meanings, key=len, reverse=True)
        pattern = "(" + "|".join(map(re.escape, known)) + ")"
        return [
            Expression(self.marks.meanings[part]) if part in self.marks.meanings else part
            for part in re.split(pattern, text)
            if part
        ] or [""]


@dataclass(frozen=True, slots=True)
class Expression:
    text: str


def yaml_text(text: str) -> str:
    if "{{" in text or "zq" in text:
        raise ValueError(f"{text!r} would be read as a template, or holds a mark without meaning")
    if text.lower() in ("y", "n"):  # a text to PyYAML, true and false to Kubernetes
        return json.dumps(text)
    shown = yaml.safe_dump(text, width=10_000, default_flow_style=True).removesuffix("...\n")
    shown = shown.rstrip("\n")
    return shown if "\n" not in shown else json.dumps(text)


def _guarded(conditions: Sequence[str], lines: list[str], indent: int) -> list[str]:
    if not conditions:
        return lines
    pad = " " * indent
    return [f"{pad}{{{{- if {both(conditions)} }}}}", *lines, f"{pad}{{{{- end }}}}"]


def _either(condition: str, yes: list[str], no: list[str], pad: str) -> list[str]:
    start, middle, end = f"{{{{- if {condition} }}}}", "{{- else }}", "{{- end }}"
    return [f"{pad}{start}", *yes, f"{pad}{middle}", *no, f"{pad}{end}"]
