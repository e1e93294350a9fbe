"""The page's style and scripts as files, as far as that needs no browser."""

import re

from leukoscope.showing import STYLE_SHEET
from tests.space.conftest import ROOT

SPACE = ROOT / "space"
STYLE = STYLE_SHEET.read_text() + (SPACE / "page.css").read_text()
SCRIPT = "".join(file.read_text() for file in sorted(SPACE.glob("*.js")))
PYTHON = "".join(file.read_text() for file in sorted(SPACE.glob("*.py")))


def test_no_rule_mixes_a_border_that_holds_a_variable_with_another():
    # Gradio rebuilds the rules in the browser; Chromium then drops a `border` shorthand that holds a variable.
    rules = re.findall(r"\{([^{}]*)\}", STYLE)
    borders = [re.findall(r"\b(border(?:-top|-right|-bottom|-left|-width|-style|-color)?): (.+?);", r) for r in rules]
    assert sum(map(len, borders)) > 30
    for rule in borders:
        whole = [value for name, value in rule if name == "border" and "var(" in value]
        assert not whole or len(rule) == 1, rule


def test_every_function_that_gradio_is_told_of_is_there():
    there = set(re.findall(r"^  (\w+)(?:\(|: )", SCRIPT, re.MULTILINE))
    called = re.findall(r'(?:js=|return f)"leukoscope\.(\w+)', PYTHON)
    given = re.findall(r'look\.does\("(\w+)', PYTHON)
    assert len(called) > 6
    assert {*called, *given} <= there


def test_events_that_an_element_sends_are_those_that_gradio_is_told_of():
    functions = re.findall(r"^  (\w+)\(element, .*?\{\n(.*?)^  \},", SCRIPT, re.MULTILINE | re.DOTALL)
    sent = {name: set(re.findall(r'\btrigger\("(\w+)"', body)) for name, body in functions}
    elements = re.findall(r'look\.does\("(\w+)"(.*?)\)', PYTHON)
    assert sent == {name: set(re.findall(r'"(\w+)"', events)) for name, events in elements}


def test_no_script_ends_before_its_end():
    assert SCRIPT
    assert "</script" not in SCRIPT  # they stand in the page itself
