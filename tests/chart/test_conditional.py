"""What stands under which condition, found by leaving out one thing at a time."""

import pytest
import yaml
from charting.conditional import Choice, Entangled, Leaf, Without, branched, combined
from charting.marks import Marks
from charting.template import Writer


def text(node, meanings=None, wholes=None):
    marks = Marks({}, meanings or {}, wholes or {})
    return "\n".join(Writer("chart", marks, []).block(node, 0))


def test_what_nothing_leaves_out_is_plain_yaml():
    tree = {"a": [{"name": "x", "on": True}, "y", "yes", 7], "b": {"c": "two\nlines"}, "d": {}}
    assert yaml.safe_load(text(combined(tree, []))) == tree


def test_a_key_that_one_change_removes_stands_under_its_condition():
    node = combined({"a": 1, "b": 2}, [Without("$x", {"a": 1}), Without("$y", {"a": 1, "b": 2})])
    assert text(node) == "a: 1\n{{- if $x }}\nb: 2\n{{- end }}"


def test_what_either_of_two_changes_removes_needs_both_conditions():
    node = combined({"a": 1, "b": 2}, [Without("$x", {"a": 1}), Without("$y", {"a": 1})])
    assert "{{- if and ($x) ($y) }}" in text(node)


def test_what_only_stands_without_something_is_kept_too():
    node = combined({"a": 1}, [Without("$x", {"a": 1, "b": 2})])
    assert text(node) == "a: 1\n{{- if not ($x) }}\nb: 2\n{{- end }}"


def test_items_of_lists_are_known_by_name_or_flag():
    full = ["--a=1", "--b=2", {"name": "x", "v": 1}, {"name": "z"}]
    other = ["--a=9", {"name": "x", "v": 2}, {"name": "z"}]
    shown = text(combined(full, [Without("$x", other)]))
    assert shown == "\n".join(
        [
            "{{- if $x }}",
            "- --a=1",
            "{{- else }}",
            "- --a=9",
            "{{- end }}",
            "{{- if $x }}",
            "- --b=2",
            "{{- end }}",
            "- name: x",
            "  {{- if $x }}",
            "  v: 1",
            "  {{- else }}",
            "  v: 2",
            "  {{- end }}",
            "- name: z",
        ]
    )


def test_a_value_that_is_only_empty_needs_no_condition():
    without = Without("$x", {"a": "--flag="}, "mark")
    assert combined({"a": "--flag=mark"}, [without]).entries[0].node == Leaf("--flag=mark")
    assert text(combined({"a": "b%mark"}, [without.below({"a": "b%"})]), {"mark": "$v"}) == (
        'a: {{ printf "b%%%s" $v | toJson }}'
    )


def test_two_changes_of_one_text_are_refused():
    with pytest.raises(Entangled):
        combined({"a": "xy"}, [Without("$x", {"a": "y"}), Without("$y", {"a": "x"})])


def test_a_users_keys_win_over_none_of_ours():
    node = combined({"mark": "mark", "ours": "1"}, [])
    shown = text(node, {}, {"mark": "$values.labels"})
    assert 'omit (merge (dict) $values.labels) "ours"' in shown
    assert shown.endswith("ours: '1'")


def test_two_forms_share_what_they_have_in_common():
    one = combined({"a": 1, "b": [1, 2], "c": 3}, [])
    two = combined({"a": 1, "b": [1], "c": 4}, [])
    node = branched("$x", one, two)
    assert node.entries[2].node == Choice("$x", Leaf(3), Leaf(4))
    assert text(node).startswith("a: 1\nb:\n  - 1\n  {{- if $x }}\n  - 2\n  {{- end }}\n")


@pytest.mark.parametrize("word", ["{{ x }}", "zq001zq"])
def test_what_would_be_read_as_a_template_or_is_a_mark_unknown_is_refused(word):
    with pytest.raises(ValueError, match="read as a template"):
        text(combined({"a": word}, []))
