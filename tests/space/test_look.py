"""What the page hands to Gradio: its style and its scripts, as far as that needs no browser."""

import re

import look

from tests.space.conftest import ROOT

SPACE = ROOT / "space"


def test_no_rule_mixes_a_border_that_holds_a_variable_with_another():
    # Gradio rebuilds the rules in the browser; Chromium then drops a `border` shorthand that holds a variable.
    rules = [re.findall(r"(border(?:-[a-z]+)?): ([^;]+);", body) for body in re.findall(r"\{([^{}]*)\}", look.CSS)]
    assert sum(map(len, rules)) > 50
    for borders in rules:
        sides = [(name, value) for name, value in borders if name not in ("border-radius", "border-collapse")]
        if any(name == "border" and "var(" in value for name, value in sides):
            assert len(sides) == 1, sides


def test_every_function_that_gradio_is_told_of_is_there():
    scripts = [(SPACE / name).read_text() for name in look.SCRIPTS]
    there = {name for text in scripts for name in re.findall(r"^  (\w+)(?:\(|: )", text, re.MULTILINE)}
    text = "".join(file.read_text() for file in sorted(SPACE.glob("*.py")))
    told = set(re.findall(r'(?:js=|return f)"leukoscope\.(\w+)', text)) | set(re.findall(r'look\.does\("(\w+)', text))
    assert len(told) > 8
    assert told <= there


def test_events_that_an_element_sends_are_those_that_gradio_is_told_of():
    sent = {
        name: set(re.findall(r'trigger\("(\w+)"', body))
        for script in look.SCRIPTS
        for name, body in re.findall(
            r"^  (\w+)\(element, .*?\{\n(.*?)^  \},", (SPACE / script).read_text(), re.M | re.S
        )
    }
    text = "".join(file.read_text() for file in sorted(SPACE.glob("*.py")))
    told = {
        name: set(re.findall(r'"(\w+)"', events)) for name, events in re.findall(r'look\.does\("(\w+)"(.*?)\)', text)
    }
    assert told == sent


def test_the_scripts_end_where_they_should():
    assert re.findall(r"</?script", look.HEAD) == ["<script", "</script"] * len(look.SCRIPTS)
