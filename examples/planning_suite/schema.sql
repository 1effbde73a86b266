-- One database per customer. Lengths are checked as a server database would check VARCHAR(n): a value that does not fit its
-- column is refused, so whatever stands in for a name must be no longer than names may be.

CREATE TABLE IF NOT EXISTS orders (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    appointment  VARCHAR(40)           CHECK (length(appointment) <= 40),
    name         VARCHAR(40)  NOT NULL CHECK (length(name) BETWEEN 1 AND 40),
    street       VARCHAR(60)           CHECK (length(street) <= 60),
    phone        VARCHAR(24)           CHECK (length(phone) <= 24),
    email        VARCHAR(254)          CHECK (length(email) <= 254),
    postcode     VARCHAR(10)           CHECK (length(postcode) <= 10),
    city         VARCHAR(40)           CHECK (length(city) <= 40),
    meter_number VARCHAR(20)           CHECK (length(meter_number) <= 20)
);

CREATE INDEX IF NOT EXISTS orders_by_name ON orders (name);

CREATE TABLE IF NOT EXISTS notes (
    order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    text     TEXT    NOT NULL,
    PRIMARY KEY (order_id, position)
);

CREATE TABLE IF NOT EXISTS appointments (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id   INTEGER     NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    start_time VARCHAR(40) NOT NULL CHECK (length(start_time) BETWEEN 1 AND 40),
    end_time   VARCHAR(40) NOT NULL CHECK (length(end_time) BETWEEN 1 AND 40)
);

CREATE INDEX IF NOT EXISTS appointments_by_order ON appointments (order_id);
