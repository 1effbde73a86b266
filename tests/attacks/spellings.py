"""Spellings of request targets: what somebody's server somewhere reads as another resource than somebody's gateway does (T-P1 to T-P5).

What belongs here: bytes of targets under the trick that they try, and the answer that the gateway owes. Never may: what any server
makes of them; the servers say that themselves, in ``test_tp1_spellings.py``.

The API's routes are ``/``, ``/static/{file}``, ``/orders`` (query: ``name``, ``page``), ``/orders/{id}`` and two below it.
"""

#: Another reading exists, or may exist: 400.
REFUSED = {
    "dots": r"""
        /. /.. /./ /../ /./orders /../orders /orders/. /orders/.. /orders/./1 /orders/../orders /orders/../../nord/orders /x/../orders
        /orders/1/.. /orders/1/../2 /orders/1/./documents /orders/1/../../orders /../../../etc/passwd /static/../orders /static/..
        /.../orders /orders/... /orders/1/documents/.. /..orders/..
    """,
    "encoded dots": r"""
        /%2e /%2e%2e /%2e/orders /orders/%2e /orders/%2E /orders/.%2e /orders/%2e. /orders/%2e%2e /orders/%2E%2E /orders/%2e%2E/orders
        /static/%2e%2e/orders /orders/1/%2e%2e/2 /orders/%2e%2e%2f%2e%2e /orders/%2e%2e%5c /x/%2e%2e/orders /orders/%2e%2e;/1
    """,
    "twice encoded": r"""
        /orders/%252e%252e /orders/%252e /orders/%252f1 /orders/1%252fdocuments /orders/%255c /orders/%25%32%65 /orders/%25%32%66
        /orders/%%32%65%%32%65 /orders/%25252e /orders/%253b /orders/%2523 /orders/%253f /orders/%2500 /orders/%25 /orders/1%25
        /%256frders /orders/%25c0%25ae
    """,
    "encoded separators": r"""
        /orders%2f1 /orders%2F1 /orders%2f /%2forders /%2Forders /orders/%2f /orders/1%2fdocuments /orders/..%2f /orders/..%2fadmin
        /orders%3b/1 /orders/1%3bx=1 /orders%3fname=a /orders/1%3F /orders%23 /orders/1%23x /orders/%26%2f /nord%2f..%2forders
    """,
    "backslashes": r"""
        /orders\1 \orders /\orders /orders\ /orders/\1 /orders/..\x /orders\..\x /orders%5c1 /orders%5C1 /orders/%5c%5c /orders/..%5c
        /%5corders /orders/1%5cdocuments /orders/%5c..%5c..
    """,
    "doubled and hanging slashes": r"""
        // //orders ///orders //localhost/orders //evil.example/orders /orders// /orders//1 /orders/1//documents /orders/ /orders/1/
        /orders/1/documents/ /static/ /static//a /orders///1 /orders//../1 /static/a/
    """,
    "path parameters": r"""
        /orders; /orders;x /orders;x=1 /orders;/1 /;/orders /;x/orders /orders/;/1 /orders/1; /orders/1;jsessionid=x
        /orders/1;x=1/documents /orders/..;/1 /orders/..;x=1/1 /orders/.;/1 /static/..;/orders /orders/1;%2e%2e /orders/1;v=1,2
    """,
    "dots and blanks at an end": r"""
        /orders. /orders.. /orders./1 /orders/1. /orders/1.. /orders/1... /orders/1%20 /orders/1%20%20 /orders/%201 /orders%20 /%20orders
        /orders%20/1 /orders/1%2e /orders/1%2E%2E /orders/1.%20 /orders/1%20. /orders/%20
        /orders/1%e3%80%80 /orders/1%c2%a0 /orders/1%e2%80%82
    """,
    "NUL and other controls": r"""
        /orders%00 /orders/1%00 /orders/1%00.html /orders/%00 /orders/1%00/documents /orders/1%0a /orders/1%0d /orders/1%0d%0aX:%20y
        /orders/1%09 /orders/%0a1 /orders/1%08 /orders/1%1b[31m /orders/1%7f /orders/1%c2%85 /orders/1%c2%80 /%00/orders
    """,
    "UTF-8 that is none": r"""
        /orders/%c0%ae%c0%ae /orders/%c0%ae /orders/%c0%af /orders/%c1%9c /orders/%e0%80%ae /orders/%e0%80%af /orders/%f0%80%80%af
        /orders/%f8%80%80%80%af /orders/%fc%80%80%80%80%af /orders/%ff /orders/%fe%ff /orders/%80 /orders/%c3 /orders/%c3%28 /orders/%e4
        /orders/%ed%a0%80 /orders/%ed%bf%bf /orders/%f4%90%80%80 /orders/%u002e /orders/%u2215 /orders/%uff0e%uff0e /orders/%zz /orders/%
        /orders/%2 /orders/1%f /orders/%2g /orders/%-1 /orders/%+2e /orders/%\x32
    """,
    "other forms of one text": r"""
        /orders/a%cc%88 /orders/o%CC%88 /orders/%e1%84%80%e1%85%a1 /orders/%e2%84%ab /orders/%e2%84%a6 /orders/%ef%bc%8e%ef%bc%8e
        /orders/%ef%bc%8e /orders/a%ef%bc%8fb /orders/a%ef%bc%bcb /orders/%e2%80%a5 /orders/%e2%80%a6 /orders/%e2%80%a4%e2%80%a4
        /orders/%ef%b9%92%ef%b9%92 /orders/a%ef%bc%85b /orders/a%ef%bc%9bb /orders/a%ef%bc%9fb /orders/a%ef%bc%83b /orders/%ef%b9%94
        /orders/%ef%b8%99 /orders/%e2%84%80 /orders/1%ef%b9%a8x /orders/%e2%80%8b1 /orders/1%e2%80%8b /orders/1%e2%80%ae /orders/1%ef%bb%bf
        /orders/1%c2%ad /orders/1%e2%80%a8 /orders/1%e2%80%a9 /orders/1%e2%81%a0
    """,
    "characters that are no path": r"""
        /orders/1|x /orders/<1> /orders/{1} /orders/[1] /orders/^ /orders/` /orders/"1" /orders#x /orders/1#/documents /orders/1#
        /#/orders /orders?page=1#x
    """,
    "other forms of a target": r"""
        http://localhost/orders https://localhost/orders HTTP://localhost/orders http:/orders http:orders https://evil.example/orders
        http://169.254.169.254/latest file:///orders orders ./orders ?page=1 * localhost:443 @/orders user@localhost/orders
    """,
    "the mark of a query, and its parameters": r"""
        /orders?page /orders?page& /orders?&page=1 /orders?page=1& /orders?page=1&& /orders?page=1&&name=a /orders?=1 /orders?=
        /orders?& /orders??page=1 /orders?page=1&page=2 /orders?page=1&page=1 /orders?page=1&p%61ge=2 /orders?page=1;name=a
        /orders?page=1%00 /orders?page=1%0a /orders?page=%c0%af /orders?page=%ff /orders?page=% /orders?page=%zz /orders?page=%u0031
        /orders?page=1|2 /orders?page=<1> /orders?page={1} /orders?page=1\2 /orders?page="1" /orders?page=^
        /orders?page;name=a /orders?page=1&name /orders?;page=1
    """,
    "parameters that nobody declared": r"""
        /orders?Page=1 /orders?PAGE=1 /orders?page[]=1 /orders?page%5B%5D=1 /orders?page[0]=1 /orders?page.=1 /orders?page%20=1
        /orders?%20page=1 /orders?+page=1 /orders?page+=1 /orders?pa+ge=1 /orders?page%00=1 /orders?_method=DELETE /orders?callback=x
        /orders?x=1 /orders/1?page=1 /orders/1?x= /orders?p%C3%A1ge=1 /orders?page%3d1=1 /orders?page%26name=a /orders?amp;page=1
        /orders?%70age%20=1 /orders?%ef%bd%90age=1 /orders?page=1&street=x
    """,
}

#: One reading, and it is a resource that the policy does not know: 404.
UNKNOWN = {
    "neighbours": r"""
        /order /ordersx /orders.json /orders.html /orders~ /orders1 /xorders /admin /pki /pkix /index.html /index.php /server-status
        /nord /nord/orders /orders/1/documents/x /orders/1/x /orders/1/appointments/2 /static/a/b /~root /favicon.ico /-/orders
    """,
    "case": r"""
        /Orders /ORDERS /ordErs /%4Frders /orders/1/Documents /orders/1/DOCUMENTS /Static/a /%C3%B6rders /orders/1/document%53
    """,
    "other letters that look alike": r"""
        /%d0%berders /%ef%bd%8frders /%6frdersx /orders/1/d%d0%becuments /%c5%93rders /order%c5%bf /orders,1 /orders:1 /orders=1 /orders@x
        /orders&page=1 /orders+ /orders!
    """,
    "the gateway's own": r"""
        /.gatewa /gateway /.gatewayx /.well-known/x /.gateway/accounts /%2egateway/Account /.gateway/account/users/x
    """,
}

#: One reading, and it is this resource: sent on byte for byte as it was judged, but for values that must not leave.
FORWARDED = {
    "as they are written": r"""
        / /orders /orders/1 /orders/4711 /orders/1/documents /orders/1/appointments /static/app.js /static/a.b.c /orders/a-b_c~d /orders/.1
        /orders/..1 /static/.hidden
    """,
    "encoded without need": r"""
        /%6frders /%6Frders /%6f%72%64%65%72%73 /%6F%72%64%65%72%73 /orders/%31 /orders/1/%64ocuments /%73tatic/app%2ejs /orders/%61%7e
        /orders/%41 /orders/a%2db /orders/a%5fb
    """,
    "characters of a path": r"""
        /orders/1,2 /orders/1:2 /orders/1@2 /orders/1=2 /orders/a&b /orders/a&b=c /orders/(1) /orders/$1 /orders/!1 /orders/'1' /orders/*
        /orders/+ /orders/1+2 /orders/a%20b /orders/a%2bb /orders/a%26b /orders/a%3db /orders/a%3ab /orders/a%22b
        /orders/a%3cb /orders/a%7cb
        /orders/a%5bb /orders/a%7bb /orders/a%5eb /orders/a%60b
    """,
    "letters beyond ASCII": r"""
        /orders/%c3%bc /orders/%C3%BC /orders/Stra%c3%9fe /orders/%e2%82%ac /orders/%f0%9f%98%80 /orders/%d0%b6 /orders/%e5%90%8d
        /orders/M%C3%BCller%20GmbH
    """,
    "queries": r"""
        /orders? /orders?page=1 /orders?p%61ge=1 /orders?%70%61%67%65=1 /orders?page= /orders?page=a%26b /orders?page=a+b /orders?page=a%20b
        /orders?page=a%2Bb /orders?page=1=2 /orders?page=== /orders?page=a%3Db /orders?page=/orders/../x /orders?page=?x
        /orders?page=%2e%2e%2f
        /orders?page=%2523 /orders?page=a%23b /orders?page=a%3Bb /orders?page=%C3%BC /orders?page=[1] /orders?page=a:b@c,d /orders/1?
        /orders?name=Mustermann /orders?page=1&name=Mustermann /orders?name=M%C3%BCller&page=2 /orders?n%61me=Max+Mustermann
    """,
}

#: Bytes that would end the list above: blanks, controls and letters beyond ASCII, as they are. No request line holds them.
RAW = {
    "blank": b"/orders /1",
    "two blanks": b"/orders  /1",
    "tab": b"/orders\t1",
    "vertical tab": b"/orders\x0b1",
    "form feed": b"/orders\x0c1",
    "NUL": b"/orders\x001",
    "bare CR": b"/orders\r1",
    "bare LF": b"/orders\n1",
    "delete": b"/orders\x7f",
    "escape": b"/orders\x1b[31m",
    "umlaut": "/orders/ü".encode(),
    "Latin-1": b"/orders/\xfc",
    "overlong dots": b"/orders/\xc0\xae\xc0\xae",
    "overlong slash": b"/orders\xc0\xaf1",
    "full-width dots": "/orders/．．".encode(),
    "full-width slash": "/orders／1".encode(),
    "no-break space": "/orders\u00a0".encode(),
    "right to left": "/orders/\u202e1".encode(),
    "byte order mark": "\ufeff/orders".encode(),
    "umlaut in a query": "/orders?page=ü".encode(),
    "blank in a query": b"/orders?page=a b",
    "a version inside": b"/orders HTTP/1.1 /x",
}


def of(groups: dict[str, str]) -> list[bytes]:
    return [target.encode("ascii") for listed in groups.values() for target in listed.split()]


EVERY = [*of(REFUSED), *of(UNKNOWN), *of(FORWARDED), *RAW.values()]
