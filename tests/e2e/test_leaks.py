"""O-01: planted values are found in no file of suite, vault, audit log or logs, also after refusals and failures."""

import ssl
import urllib.request

from gateway.demo.story import ORDERS, OURS, found_in

PLANTED = ["Eulalia Bierwagen", "Kuckucksweg 999", "0351 98765432", "eulalia@bierwagen.example", "Schlüssel unter der Matte"]


def scraped(gateway):
    token = gateway.config.admin_token.read_text().strip()
    request = urllib.request.Request(f"{gateway.admin_url}/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=gateway.authority), timeout=20) as answer:
        return answer.read()


def test_o01_planted_values_are_found_nowhere(gateway):
    name, street, phone, email, note = PLANTED
    planted = {
        **ORDERS[0],
        "household": {**ORDERS[0]["household"], "name": name, "street": street, "phone": phone, "email": email},
        "notes": [note],
    }
    importer, maria = gateway.client(OURS, "import_job"), gateway.client(OURS, "maria")
    created = importer.send("POST", "/orders", planted).json()
    assert maria.send("GET", f"/orders/{created['id']}").json()["household"]["name"] == name
    assert maria.send("GET", "/orders?name=Eulalia+Bierwagen").json()["total"] == 1
    assert importer.send("POST", "/orders", {**planted, "unlisted": name}).status == 400
    assert importer.send("POST", "/orders", {**planted, "meter_number": name}).status == 400
    assert maria.send("GET", f"/orders?street={street.replace(' ', '+')}").status == 400
    assert maria.send("GET", f"/{name.replace(' ', '')}").status == 404
    metrics = gateway.folder / "metrics"
    metrics.write_bytes(scraped(gateway))
    assert b"gateway_build_info" in metrics.read_bytes()
    files = [path for path in gateway.folder.rglob("*") if path.is_file() and "policies" not in path.parts]
    assert any(path.suffix == ".db" for path in files)
    assert any("audit" in path.parts for path in files)
    assert any(path.suffix == ".log" for path in files)
    assert not found_in(files, PLANTED)
    assert not found_in(files, [password for access in gateway.customers.values() for password in access.passwords.values()])
