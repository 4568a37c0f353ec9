-- What people were told through their webhook, so that each event is told once.

CREATE TABLE notices (
    event        VARCHAR PRIMARY KEY,
    kind         VARCHAR NOT NULL,
    attempts     INTEGER NOT NULL,
    claimed_at   TIMESTAMPTZ NOT NULL,
    delivered_at TIMESTAMPTZ,
    error        VARCHAR
);
