-- What is not known is null: the votes of a panel whose errors cannot be compared. Beside them the interval and how
-- many pairs of models they rest on. Answers without a value count. The shared errors behind probabilities.

CREATE TABLE panel_reports_new (
    prompt_version         VARCHAR PRIMARY KEY,
    palettes               INTEGER NOT NULL,
    models                 JSON NOT NULL,
    correlation            JSON NOT NULL,
    effective_votes        DOUBLE,
    effective_votes_low    DOUBLE,
    effective_votes_high   DOUBLE,
    pairs                  INTEGER,
    effective_votes_reason VARCHAR,
    cost_usd               DECIMAL(18, 10) NOT NULL,
    usd_per_effective_vote DECIMAL(18, 10),
    without                JSON NOT NULL,
    sentence               VARCHAR NOT NULL,
    reported_at            TIMESTAMPTZ NOT NULL
);
INSERT INTO panel_reports_new BY NAME SELECT * FROM panel_reports;
DROP TABLE panel_reports;
ALTER TABLE panel_reports_new RENAME TO panel_reports;

ALTER TABLE model_reports ADD COLUMN blank INTEGER;
ALTER TABLE model_skills ADD COLUMN correlation DOUBLE;
