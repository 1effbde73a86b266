"""Connections are counted, each exactly once, whatever way they end."""

from gateway.proxy.places import Places


def test_a_place_is_taken_and_freed_once():
    places = Places(10, 10, 10)
    place = places.take("192.0.2.1")
    assert place and places.taken == 1 and not places.empty.is_set()
    place.free()
    place.free()
    assert places.taken == 0 and places.empty.is_set()


def test_td2_full_in_all_and_full_for_one_address():
    places = Places(3, 2, 10)
    held = [places.take("192.0.2.1"), places.take("192.0.2.1")]
    assert all(held)
    assert places.take("192.0.2.1") is None
    assert places.take("192.0.2.2")
    assert places.take("192.0.2.3") is None
    held[0].free()
    assert places.take("192.0.2.1")


def test_a_load_balancers_place_becomes_the_clients():
    places = Places(100, 1, 10)
    arriving = [places.take("") for _ in range(5)]  # a balancer is not bounded by what one client may have
    assert all(arriving)
    assert arriving[0].belongs_to("192.0.2.1")
    assert not arriving[1].belongs_to("192.0.2.1")
    assert arriving[2].belongs_to("192.0.2.2")
    assert places.taken == 5
    arriving[0].free()
    assert arriving[1].belongs_to("192.0.2.1")
    for place in arriving:
        place.free()
    assert places.taken == 0
    assert not arriving[1].belongs_to("192.0.2.1")  # gone is gone


def test_td2_a_64_of_ipv6_counts_as_one_address():
    """One machine takes as many addresses of it as it likes."""
    places = Places(100, 2, 10)
    held = [places.take("2001:db8:0:1::1"), places.take("2001:db8:0:1:ffff::2")]
    assert all(held)
    assert places.take("2001:db8:0:1::3") is None
    assert places.take("2001:db8:0:2::1")
    assert not places.take("").belongs_to("2001:db8:0:1::4")
    held[0].free()
    assert places.take("").belongs_to("2001:db8:0:1::4")
    assert places.take("2001:db8:0:1::3") is None


def test_td2_full_for_one_customer_from_however_many_addresses():
    places = Places(100, 100, 2)
    held = [places.take(f"192.0.2.{number}") for number in range(6)]
    assert [place.is_of("energie_nord") for place in held[:3]] == [True, True, False]
    assert [place.is_of("") for place in held[3:]] == [True, True, False]  # strangers are one customer, and no more
    held[2].free()  # was never counted for the customer, so it frees none of its places
    assert not places.take("192.0.2.9").is_of("energie_nord")
    held[0].free()
    held[0].free()
    assert places.take("192.0.2.9").is_of("energie_nord")
    assert not held[0].is_of("netze_sued")  # gone is gone


def test_whoever_leaves_is_forgotten():
    places = Places(10, 10, 10)
    place = places.take("192.0.2.1")
    assert place.is_of("energie_nord")
    place.free()
    assert not places._of and not places._customers
