-- What people prefer of two prompt versions, palette by palette, without knowing which is which.

CREATE TABLE prompt_votes (
    vote_id       VARCHAR PRIMARY KEY,
    seed          VARCHAR NOT NULL,
    left_version  VARCHAR NOT NULL,
    right_version VARCHAR NOT NULL,
    choice        VARCHAR NOT NULL,
    rater         VARCHAR NOT NULL,
    voted_at      TIMESTAMPTZ NOT NULL
);
