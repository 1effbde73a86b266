"""Logs are JSON lines that nothing in a message can forge (T-A7), and hold no traceback."""

import json
import logging
import sys

from gateway.runtime.process import JsonLines


def test_ta7_a_message_stays_inside_its_line():
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "a\r\nb \x1b[31m ä \u202e %s", ('"',), None)
    line = JsonLines("proxy").format(record)
    assert "\n" not in line
    assert line.isascii()
    assert json.loads(line)["message"] == 'a\r\nb \x1b[31m ä \u202e "'


def test_o01_an_exception_is_named_and_its_text_is_not():
    try:
        raise ValueError("Max Mustermann")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    line = json.loads(JsonLines("vault").format(record))
    assert line["exception"] == "ValueError"
    assert "Mustermann" not in str(line)
