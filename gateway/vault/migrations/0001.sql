-- One customer's vault. The data class is part of the key: a token of one class is nothing in another.
CREATE TABLE tokens (
    data_class  TEXT    NOT NULL,
    token       TEXT    NOT NULL,
    fingerprint BLOB,              -- NULL for "repeat: fresh"
    sealed      BLOB    NOT NULL,
    created     INTEGER NOT NULL,  -- seconds since the epoch
    PRIMARY KEY (data_class, token)
) WITHOUT ROWID, STRICT;

CREATE UNIQUE INDEX tokens_by_fingerprint ON tokens (data_class, fingerprint) WHERE fingerprint IS NOT NULL;
