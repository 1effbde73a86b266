"""An API's file: what each key may say, and which mistakes are found with the file's own line."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.body.selector import Record
from gateway.errors import ConfigurationError
from gateway.policy.decide import fits
from gateway.policy.load_api import MOST_NESTED, MOST_ROUTES, MOST_SELECTORS, read_api
from gateway.policy.model import Api, Limits, Role
from gateway.schema import Mistakes, read_yaml
from gateway.tokens.form import DataClass

FILE = "policies/planning_suite.yaml"
CLASSES = {name: DataClass(name) for name in ("name", "phone")} | {
    "note": DataClass("note", repeat="fresh"),
    "iban": DataClass("iban", form="mask"),
}
HEAD = "api: planning_suite\n"
ROLES = "roles: {importer: {}, dispatcher: {}}\n"
ROUTES = "routes: {}\n"


def read(text: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Api, list[str]]:
    """The API and ``line: text`` of every mistake, each once."""
    file = tmp_path_factory.mktemp("api") / "planning_suite.yaml"
    file.write_text(text, "utf-8")
    mistakes = Mistakes()
    root = read_yaml(file, mistakes)
    assert root is not None, mistakes.found
    api = read_api(root, CLASSES)
    try:
        mistakes.raise_any()
    except ConfigurationError as error:
        return api, [f"{mistake.line}: {mistake.text}" for mistake in error.mistakes]
    return api, []


def test_everything_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    api, mistakes = read(
        """\
api: planning_suite
records:
  page: {contains: {"items[*]": order}, clear: [total], unlisted: pass}
  order: {fields: {household.name: name, "notes[*]": note}, clear: [id, household.city]}
roles:
  importer:
  dispatcher: {reveal: {clear: [name, note], masked: [phone]}, accounts: make}
routes:
  GET /: {roles: [dispatcher], response: pass}
  PUT,PATCH /orders/{id}: {roles: [importer, dispatcher], request: order, response: order}
  GET /orders: {roles: [dispatcher], query: {name: name, page: clear}, response: page}
  DELETE /orders/{id}: {roles: [dispatcher]}
limits: {body: 2 MiB, depth: 8}
tests:
  - as: importer
    send: {PUT /orders/4711: {household: {name: Max Mustermann, plz: 01067}}}
    upstream_must_not_contain: [Max, Mustermann]
    then_seen_by: {dispatcher: {household: {name: Max Mustermann}}}
""",
        tmp_path_factory,
    )
    assert mistakes == []
    assert api.name == "planning_suite"
    assert api.limits == Limits(body=2 << 20, depth=8)
    assert api.roles == {
        "importer": Role("importer"),
        "dispatcher": Role("dispatcher", clear=frozenset({"name", "note"}), masked=frozenset({"phone"}), makes_users=True),
    }
    routes = {f"{route.method} {route.template}": route for route in api.routes}
    assert set(routes) == {"GET /", "PUT /orders/{id}", "PATCH /orders/{id}", "GET /orders", "DELETE /orders/{id}"}
    assert routes["GET /"].segments == ()
    assert (routes["GET /"].request, routes["GET /"].response) == (None, "pass")
    assert routes["PATCH /orders/{id}"].segments == ("orders", None)
    assert routes["PATCH /orders/{id}"].roles == {"importer", "dispatcher"}
    assert routes["GET /orders"].query == {"name": "name", "page": "clear"}
    page, order = routes["GET /orders"].response, routes["PUT /orders/{id}"].request
    assert isinstance(page, Record) and isinstance(order, Record)
    assert (page.name, page.unlisted, page.classes) == ("page", "pass", {"name", "note"})
    assert (order.name, order.unlisted, order.classes) == ("order", "refuse", {"name", "note"})
    (test,) = api.tests
    assert (test.role, test.method, test.path, test.line) == ("importer", "PUT", "/orders/4711", 15)
    assert test.body == {"household": {"name": "Max Mustermann", "plz": "01067"}}  # Y-01
    assert test.upstream_must_not_contain == ("Max", "Mustermann")
    assert test.then_seen_by == {"dispatcher": {"household": {"name": "Max Mustermann"}}}


def test_what_is_not_written_lets_nothing_through(tmp_path_factory: pytest.TempPathFactory) -> None:
    """P-02: defaults are the narrow ones."""
    text = HEAD + "records: {order: {fields: {a: name}}}\n" + ROLES + "routes: {POST /a: {roles: [importer], request: order}}\n"
    api, mistakes = read(text, tmp_path_factory)
    assert mistakes == []
    (route,) = api.routes
    assert isinstance(route.request, Record)
    assert route.request.unlisted == "refuse"
    assert (route.response, dict(route.query), api.limits, api.tests) == (None, {}, Limits(), ())
    assert not any(role.clear or role.masked for role in api.roles.values())


def test_limits_of_a_route_say_what_is_different(tmp_path_factory: pytest.TempPathFactory) -> None:
    api, mistakes = read(
        HEAD
        + "records: {order: {fields: {a: name}}}\n"
        + ROLES
        + "limits: {body: 2 MiB, depth: 8}\n"
        + "routes:\n"
        + "  POST /import: {roles: [importer], request: order, limits: {body: 32 MiB}}\n"
        + "  POST /small: {roles: [importer], request: order, limits: {body: 1 KiB, depth: 3}}\n"
        + "  GET /deep: {roles: [importer], response: order, limits: {depth: 100}}\n"
        + "  POST /usual: {roles: [importer], request: order}\n",
        tmp_path_factory,
    )
    assert mistakes == []
    assert {route.template: route.limits for route in api.routes} == {
        "/import": Limits(32 << 20, 8),
        "/small": Limits(1 << 10, 3),
        "/deep": Limits(2 << 20, 100),
        "/usual": None,
    }


NO_ROLE = "there is no role"
NO_PATH = "is not a path such as /orders/{id}"
ONE_REQUEST = "expected one request, such as POST /orders: {…}"
#: Section of the file → its snippets, each from line 2 on → ``line: beginning of the text``.
RECORDS = [
    ("order: {fields: {a: nmae}}", "3: there is no data class 'nmae'; did you mean 'name'?"),
    ("order: {fields: {a: clear}}", "3: there is no data class 'clear'"),
    ("order: {fields: [a]}", "3: expected a mapping, found a list"),
    ("order: {fields: {a: [name]}}", "3: expected a text, found a list"),
    ("order: {felds: {a: name}}", "3: unknown key 'felds'; did you mean 'fields'?"),
    ("order: {unlisted: allow}", "3: expected one of refuse, pass"),
    ("order:\n    fields:\n      a: name\n      $.b: name", "6: '$.b': is empty or begins with '$'"),
    ("order:\n    clear:\n      - id\n      - a[?(@.b)]", "6: 'a[?(@.b)]': "),
    ("order:\n    clear:\n      - ..name", "5: '..name': a descent ('..') has no bound"),
    ("order:\n    clear:\n      - a[1:2]", "5: 'a[1:2]': only names, '*' and indexes"),
    ("order:\n    clear:\n      - a[-1]", "5: 'a[-1]': only names, '*' and indexes"),
    ('order:\n    clear:\n      - ""', "5: '': is empty"),
    ("order:\n    fields: {a: name}\n    clear:\n      - a", "4: 'a': says something else about the same place"),
    ("order: {clear: ['a[" + "9" * 900 + "]']}", "3: 'a[99999"),
    ("order: {clear: ['a[" + "9" * 5000 + "]']}", "3: a record has at most 1000 selectors of at most 1000 characters"),
    ("order: {contains: {a: ordr}}", "3: there is no record 'ordr'; did you mean 'order'?"),
    ("order: {contains: {a: pass}}", "3: there is no record 'pass'"),
    ("order: {contains: {a: order}}", "3: a record cannot contain itself"),
    ("a: {contains: {x: b}}\n  b: {contains: {x: a}}", "3: a record cannot contain itself"),
    ("pass: {clear: [id]}", "3: 'pass' is not a name for a record"),
    ("Order: {clear: [id]}", "3: 'Order' is not a name for a record"),
    ("order:", "3: expected a mapping, found nothing"),
]
ROLE_ENTRIES = [
    ("Importer: {}", "3: 'Importer' is not a name for a role"),
    ("importer: {reveal: {clear: [nmae]}}", "3: there is no data class 'nmae'; did you mean 'name'?"),
    ("importer: {reveal: {clear: name}}", "3: expected a list, found a text"),
    ("importer: {reveal: {all: true}}", "3: unknown key 'all'"),
    ("importer: {reveal: [name]}", "3: expected a mapping, found a list"),
    ("importer: {reveal: }", "3: expected a mapping, found nothing"),
    ("importer: {sees: {clear: [name]}}", "3: unknown key 'sees'"),
    ("importer: {reveal: {clear: [name], masked: [name, phone]}}", "3: both clear and masked: name"),
    ("importer: {accounts: all}", "3: expected one of own, make"),
    ("importer: {accounts: [make]}", "3: expected a text, found a list"),
    ("importer: all", "3: expected a mapping, found a text"),
]
ROUTE_ENTRIES = [
    ("GET /a: {}", "4: 'roles' is missing"),
    ("GET /.gateway/account: {roles: []}", "4: what is below /.gateway/ is the gateway's own"),
    ("GET /.Gateway: {roles: []}", "4: what is below /.gateway/ is the gateway's own"),
    ("GET /a: {roles: []}\n  GET /a: {roles: []}", "5: 'GET /a' stands here twice (first in line 4)"),
    ("GET,PUT /a: {roles: []}\n  PUT /a: {roles: []}", "5: PUT /a is the same route as in line 4"),
    ("GET /a/{x}: {roles: []}\n  GET /a/{y}: {roles: []}", "5: GET /a/{y} is the same route as in line 4"),
    ("GET /a/{x}: {roles: []}\n  GET /{y}/b: {roles: []}", "5: routes of lines 4 and 5 overlap: some paths fit both"),
    ("GET /a/{x}: {roles: []}\n  POST /{y}/b: {roles: []}", "5: routes of lines 4 and 5 overlap: some paths fit both"),
    ("GET /a: {roles: [admin]}", f"4: {NO_ROLE} 'admin'"),
    ("GET /a: {roles: [importr]}", f"4: {NO_ROLE} 'importr'; did you mean 'importer'?"),
    ("GET /a: {roles: importer}", "4: expected a list, found a text"),
    ("GET /a: {roles: }", "4: expected a list, found nothing"),
    ("GET /a: {roles: [], role: importer}", "4: unknown key 'role'; did you mean 'roles'?"),
    ("GET /a: {roles: [], response: order}", "4: there is no record 'order'"),
    ("GET /a: {roles: [], response: Pass}", "4: there is no record 'Pass'"),
    ("GET /a: {roles: [], response: true}", "4: there is no record 'true'"),
    ("GET /a: {roles: [], request: pass}", "4: GET has no request body"),
    ("GET /a: {roles: [], query: [page]}", "4: expected a mapping, found a list"),
    ("GET /a: {roles: [], query: {page: yes}}", "4: there is no data class 'yes'"),
    ("GET /a: {roles: [], query: {note: note}}", "4: data class 'note' cannot be searched: equal values do not get equal tokens"),
    ("GET /a: {roles: [], query: {iban: iban}}", "4: data class 'iban' cannot be searched"),
    ("POST /a: {roles: [], limits: {body: 2 MiB}}", "4: this route declares no record that could have limits"),
    ("POST /a: {roles: [], request: pass, limits: {body: 2 MiB}}", "4: body: is the size of a declared record"),
    ("POST /a: {roles: [], request: order, limits: {body: 65 MiB}}", "4: a declared body is held in memory: at most 64 MiB"),
    ("POST /a: {roles: [], request: order, limits: {size: 1}}", "4: unknown key 'size'"),
    ("GET /a: {roles: [], response: order, limits: {body: 2 MiB}}", "4: body: is the size of a declared record"),
    ("GET /a: {roles: [], response: order, limits: none}", "4: expected a mapping, found a text"),
    ("get /a: {roles: []}", "4: 'get' is not a method: GET, POST, PUT, PATCH, DELETE (HEAD comes with GET)"),
    ("HEAD /a: {roles: []}", "4: 'HEAD' is not a method"),
    ("OPTIONS /a: {roles: []}", "4: 'OPTIONS' is not a method"),
    ("'* /a': {roles: []}", "4: '*' is not a method"),
    ("'GET,  /a': {roles: []}", "4: '' is not a method"),
    ("GET a: {roles: []}", f"4: 'a' {NO_PATH}"),
    ("GET: {roles: []}", f"4: '' {NO_PATH}"),
    *(
        (f"'GET {path}': {{roles: []}}", f"4: '{path}' {NO_PATH}")
        for path in ("/a/", "//a", "/a//b", "/a/..", "/./a", "/a.", "/a;b", "/a%20b")
    ),
    *(
        (f"'GET {path}': {{roles: []}}", f"4: '{path}' {NO_PATH}")
        for path in ("/*", "/a*", "/{Id}", "/{}", "/{a}{b}", "/a{b}", "/a?b=c", "/ä")
    ),
]
LIMIT_ENTRIES = [
    ("limits: {body: 0}", "4: expected a size such as 1 MiB"),
    ("limits: {body: 1 MB}", "4: expected a size such as 1 MiB"),
    ("limits: {body: 65 MiB}", "4: a declared body is held in memory: at most 64 MiB"),
    ("limits: {depth: 0}", "4: expected a whole number from 1 to 1000"),
    ("limits: {depth: 1001}", "4: expected a whole number from 1 to 1000"),
    ("limits: {width: 5}", "4: unknown key 'width'"),
    ("limits: none", "4: expected a mapping, found a text"),
]
TEST_ENTRIES = [
    ("tests: {}", "4: expected a list, found a mapping"),
    ("tests:\n  - {send: {POST /a: {}}}", "5: 'as' is missing"),
    ("tests:\n  - {as: importer}", "5: 'send' is missing"),
    ("tests:\n  - {as: nobody, send: {POST /a: {}}}", f"5: {NO_ROLE} 'nobody'"),
    ("tests:\n  - {as: importer, send: {}}", f"5: {ONE_REQUEST}"),
    ("tests:\n  - {as: importer, send: {POST /a: {}, POST /b: {}}}", f"5: {ONE_REQUEST}"),
    ("tests:\n  - {as: importer, send: {/a: {}}}", f"5: {ONE_REQUEST}"),
    ("tests:\n  - {as: importer, send: {POST a: {}}}", f"5: {ONE_REQUEST}"),
    ("tests:\n  - {as: importer, send: {post /a: {}}}", f"5: {ONE_REQUEST}"),
    ("tests:\n  - {as: importer, send: {POST /a: {}}, then_seen_by: {admin: {}}}", f"5: {NO_ROLE} 'admin'"),
    ("tests:\n  - {as: importer, send: {POST /a: {}}, upstream_must_not_contain: Max}", "5: expected a list, found a text"),
    ("tests:\n  - {as: importer, send: {POST /a: {}}, expect: 200}", "5: unknown key 'expect'"),
]
BROKEN = [
    *((f"{HEAD}records:\n  {text}\n{ROLES}{ROUTES}", expected) for text, expected in RECORDS),
    *((f"{HEAD}roles:\n  {text}\n{ROUTES}", expected) for text, expected in ROLE_ENTRIES),
    *((f"{HEAD}{ROLES}routes:\n  {text}\n", expected) for text, expected in ROUTE_ENTRIES),
    *((f"{HEAD}{ROLES}{ROUTES}{text}\n", expected) for text, expected in [*LIMIT_ENTRIES, *TEST_ENTRIES]),
    (f"{ROLES}{ROUTES}", "1: 'api' is missing"),
    (f"{HEAD}{ROUTES}", "1: 'roles' is missing"),
    (f"{HEAD}{ROLES}", "1: 'routes' is missing"),
    (f"{HEAD}{ROLES}{ROUTES}route: {{}}\n", "4: unknown key 'route'; did you mean 'routes'?"),
    (f"api: Planning Suite\n{ROLES}{ROUTES}", "1: 'Planning Suite' is not a name"),
    (f"api: [a]\n{ROLES}{ROUTES}", "1: expected a text, found a list"),
    (f"{HEAD}roles: [importer]\n{ROUTES}", "2: expected a mapping, found a list"),
]


@pytest.mark.parametrize(("text", "expected"), BROKEN, ids=[expected[:60] for _, expected in BROKEN])
def test_a_mistake_is_found_where_it_stands(text: str, expected: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """P-02, Y-03: no snippet here becomes a policy."""
    _, mistakes = read(text, tmp_path_factory)
    assert any(mistake.startswith(expected) for mistake in mistakes), mistakes


def test_all_mistakes_are_found_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    _, mistakes = read(
        "records: {order: {fields: {a: nmae, $b: name}}}\nroles: {X: {}}\nroutes:\n  FETCH /a: {roles: [y]}\n  GET /b/: {roles: [z]}\n"
        "  PUT,PATCH /c: {roles: [v], request: w}\nlimits: {body: 1, depth: x}\ntests: [{as: u, send: {}}]\n",
        tmp_path_factory,
    )
    assert [mistake.split(":")[0] for mistake in mistakes] == ["1", "1", "2", "4", "5", "6", "6", "7", "8", "8"]


def test_routes_that_share_a_line_report_a_mistake_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    _, mistakes = read(f"{HEAD}{ROLES}routes: {{'PUT,PATCH,POST /a': {{roles: [x]}}}}\n", tmp_path_factory)
    assert mistakes == ["3: there is no role 'x'"]


BOMBS = {
    "routes": (
        "routes:\n" + "".join(f"  GET /a{n}/{{x}}: {{roles: []}}\n" for n in range(MOST_ROUTES + 1)),
        f"more than {MOST_ROUTES} routes",
    ),
    "nested records": (
        "records:\n" + "".join(f"  r{n}: {{contains: {{x: r{n + 1}, y: r{n + 1}}}}}\n" for n in range(500)) + "  r500: {clear: [id]}\n",
        f"records contain one another more than {MOST_NESTED} deep",
    ),
    "selectors": (
        "records: {a: {clear: [" + ", ".join(f"a{n}" for n in range(MOST_SELECTORS + 1)) + "]}}\n",
        f"a record has at most {MOST_SELECTORS} selectors",
    ),
}


@pytest.mark.parametrize(("text", "expected"), BOMBS.values(), ids=BOMBS)
def test_a_policy_that_would_be_worked_on_for_long_is_refused(text: str, expected: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """T-D10: pairs of routes grow with their square, records inside records call one another."""
    rest = HEAD + ROLES + ("" if text.startswith("routes") else ROUTES)
    _, mistakes = read(rest + text, tmp_path_factory)
    assert any(expected in mistake for mistake in mistakes)


def test_records_that_share_records_are_not_multiplied(tmp_path_factory: pytest.TempPathFactory) -> None:
    """T-D10: 2**25 paths through 25 records are 25 records."""
    text = "records:\n" + "".join(f"  r{n}: {{contains: {{x: r{n + 1}, y: r{n + 1}}}}}\n" for n in range(25)) + "  r25: {clear: [id]}\n"
    assert read(HEAD + ROLES + ROUTES + text, tmp_path_factory)[1] == []


def test_the_most_routes_are_allowed(tmp_path_factory: pytest.TempPathFactory) -> None:
    text = "routes:\n" + "".join(f"  GET /a{n}/{{x}}: {{roles: []}}\n" for n in range(MOST_ROUTES))
    api, mistakes = read(HEAD + ROLES + text, tmp_path_factory)
    assert mistakes == []
    assert len(api.routes) == MOST_ROUTES


PATTERN = st.lists(st.sampled_from(["a", "b", "{x}"]), min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))


@given(st.lists(PATTERN, min_size=2, max_size=5, unique=True))
def test_an_overlap_is_reported_exactly_when_there_is_one(tmp_path_factory: pytest.TempPathFactory, templates: list[str]) -> None:
    """P-02, by brute force: two routes overlap when a path fits both and each also has a path of its own."""
    api, mistakes = read(HEAD + ROLES + "routes:\n" + "".join(f"  GET {t}: {{roles: []}}\n" for t in templates), tmp_path_factory)
    paths = [path for length in (1, 2, 3) for path in product(("a", "b", "c"), repeat=length)]
    reached = [{path for path in paths if fits(route.segments, path)} for route in api.routes]
    overlapping = {
        (one + 4, other + 4)
        for one, other in product(range(len(reached)), repeat=2)
        if one < other and reached[one] & reached[other] and reached[one] - reached[other] and reached[other] - reached[one]
    }
    reported = {tuple(sorted(int(word) for word in mistake.split(": ")[1].split() if word.isdigit())) for mistake in mistakes}
    assert reported == overlapping
