"""Logs are JSON lines that nothing in a message can forge (T-A7), and hold no traceback."""

import json
import logging
import sys
from types import SimpleNamespace

from gateway.runtime import process
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


def test_ta7_what_c_code_could_not_raise_is_named_once_and_not_quoted(monkeypatch, caplog):
    """CPython decodes the server name of a handshake in C: what is no ASCII would be printed, with a traceback, for each connection."""
    monkeypatch.setattr(process, "_named", set())
    for _ in range(3):
        try:
            b"Mustermann\xff".decode("ascii")
        except UnicodeDecodeError as error:
            told = SimpleNamespace(exc_type=type(error), exc_value=error, object=error.object, err_msg=None)
            process._unraisable(told)
    process._unraisable(SimpleNamespace(exc_type=MemoryError, exc_value=None, object=b"Mustermann", err_msg=None))
    named, other = caplog.messages
    assert named.startswith("unraisable UnicodeDecodeError at test_process.py:")
    assert other == "unraisable MemoryError at unknown"
