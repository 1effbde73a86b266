"""The path that is judged is the path that is sent: every spelling of a resource is that resource, or is refused (T-P1 to T-P5)."""

import pytest

# What somebody's server somewhere would read as /orders, as its parent, or as another customer's area.
REFUSED = r"""
    //orders /orders/ /orders// /./orders /orders/. /orders/.. /../orders /x/../orders /orders/../../nord/orders /orders/%2e%2e
    /orders/%2E%2E/orders /orders/.%2e /orders/%2e /%2e/orders /orders%2f1 /orders%2F1 /orders%5c1 /orders\1 /orders\..\x /orders/1%00
    /orders%00 /orders/1%0a /orders/1%0d%0aX:%20y /orders;x=1 /orders/;/1 /orders/1;jsessionid=x /orders/..;/1 /orders%3b/1
    /orders%3Fa=b /orders%23 /orders/1%2523 /orders/%252e%252e /orders/%25 /orders/1. /orders/1.. /orders/1%20 /orders/%201 /orders/1%2e
    /orders/%c0%ae%c0%ae /orders/%c0%af /orders/%e0%80%af /orders/%ff /orders/%u002e /orders/%zz /orders/% /orders/%2 /orders/a%cc%88
    /orders/1|x /orders/<1> /orders/{1} /orders/[1] /orders/^ /orders/` /orders/1%e2%80%ae /orders/%ef%bc%8e%ef%bc%8e
    /orders/a%ef%bc%8fb /orders/a%ef%bc%bcb /orders/%e2%80%a5 /orders/%e2%80%8b1 /orders/1%c2%a0 /orders/1%c2%85
    /orders/%ef%b9%92%ef%b9%92
""".split()  # noqa: SIM905  (one line each would be a page of quotes)
ELSEWHERE = """
    / /Orders /ORDERS /order /orders.json /ordersx /admin /.gateway/x /nord/orders /orders/1/documents/x /orders/1/Documents /pki
    /pkix /%6frdersx /index.html /-/orders /orders/1/appointments/2 /static/a/b
""".split()  # noqa: SIM905  (one line each would be a page of quotes)


@pytest.mark.trap("T-P1", "A path that some server would read as another one is 400.")
@pytest.mark.parametrize("target", REFUSED)
def test_tp1_refused(attacker, suite, target):
    for method in (b"PUT", b"GET"):
        first = method + b" " + target.encode() + b" HTTP/1.1"
        assert attacker.ask(attacker.post({}, first=first)).status == 400
    assert suite.seen == []


@pytest.mark.trap("T-P4", "A neighbour of a declared path is another resource, and not declared.")
@pytest.mark.trap("T-M7", "The case of a path is part of it.")
@pytest.mark.parametrize("target", ELSEWHERE)
def test_tp4_tm7_another_resource(attacker, suite, target):
    assert attacker.ask(attacker.post({}, first=b"POST " + target.encode() + b" HTTP/1.1")).status in (404, 405)
    assert suite.seen == []


@pytest.mark.trap("T-P1", "What is let through is sent byte for byte as it was judged.")
@pytest.mark.parametrize("target", ["/orders", "/%6Frders", "/%6frd%65rs", "/orders?page=1", "/orders?p%61ge=1", "/orders?page=a%26b"])
def test_tp1_the_same_resource_is_sent_as_it_was_judged(attacker, suite, target):
    assert attacker.ask(attacker.head(f"GET {target} HTTP/1.1".encode())).status == 200
    assert suite.seen[0].startswith(f"GET /nord{target} HTTP/1.1\r\n".encode())


QUERIES = """
    name name=&name= name=a&name=b name=a&n%61me=b NAME=a name[]=a name%5B%5D=a name%00=a a=1&=2 &name=a name=a& =a name=a;page=1
    page=1;name=Max name=%ff name=%c0%af name=a%00 name=a%0ab page=1#name=a name=a?&x=1 name=<a> name=a|b name=%u0041 name=%
    page=1&&name=a name%20=a %6eame%2e=a name.=a na+me=a +name=a name+=a _method=PUT callback=x debug=1 name=a%E2%80%AE
""".split()  # noqa: SIM905  (one line each would be a page of quotes)


@pytest.mark.trap("T-P3", "A path is judged without its query.")
@pytest.mark.trap("T-P5", "A query that is not listed, comes twice or is read differently elsewhere is 400.")
@pytest.mark.parametrize("query", QUERIES)
def test_tp3_tp5_queries(attacker, suite, query):
    assert attacker.ask(attacker.head(f"GET /orders?{query} HTTP/1.1".encode())).status == 400
    assert suite.seen == []


SEARCHES = """
    name=Mustermann n%61me=Mustermann name=M%75sterm%61nn page=1&name=Mustermann name=Mustermann&page=1 name=%4D%75stermann
""".split()  # noqa: SIM905  (one line each would be a page of quotes)


@pytest.mark.parametrize("query", SEARCHES)
def test_a_value_that_is_searched_for_never_leaves(attacker, suite, query):
    assert attacker.ask(attacker.head(f"GET /orders?{query} HTTP/1.1".encode())).status == 200
    first = suite.seen[0].split(b"\r\n")[0]
    assert b"usterm" not in first and b"%75" not in first


def test_too_many_parameters_and_too_long_targets(attacker, suite):
    many = "&".join(f"p{number}=1" for number in range(101))
    assert attacker.ask(attacker.head(f"GET /orders?{many} HTTP/1.1".encode())).status == 400
    assert attacker.ask(attacker.head(f"GET /orders?name={'a' * 8100} HTTP/1.1".encode())).status == 400
    assert suite.seen == []
