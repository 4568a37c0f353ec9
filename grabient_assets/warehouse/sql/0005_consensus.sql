-- How probable each tag is, how good each model, and how many votes a panel is worth.

ALTER TABLE tag_consensus ADD COLUMN estimates JSON;
ALTER TABLE tag_consensus ADD COLUMN method VARCHAR;
ALTER TABLE tag_consensus ADD COLUMN entropy DOUBLE;

CREATE TABLE model_skills (
    prompt_version VARCHAR NOT NULL,
    field          VARCHAR NOT NULL,
    method         VARCHAR NOT NULL,
    parameters     JSON NOT NULL,
    palettes       INTEGER NOT NULL,
    fitted_at      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (prompt_version, field, method)
);

CREATE TABLE model_reports (
    prompt_version   VARCHAR NOT NULL,
    provider         VARCHAR NOT NULL,
    model            VARCHAR NOT NULL,
    field            VARCHAR NOT NULL,
    answers          INTEGER NOT NULL,
    usable           INTEGER NOT NULL,
    gold             INTEGER NOT NULL,
    accuracy         DOUBLE,
    accuracy_low     DOUBLE,
    accuracy_high    DOUBLE,
    sensitivity      DOUBLE,
    sensitivity_low  DOUBLE,
    sensitivity_high DOUBLE,
    specificity      DOUBLE,
    specificity_low  DOUBLE,
    specificity_high DOUBLE,
    by_value         JSON,
    reported_at      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (prompt_version, provider, model, field)
);

CREATE TABLE field_reports (
    prompt_version VARCHAR NOT NULL,
    field          VARCHAR NOT NULL,
    palettes       INTEGER NOT NULL,
    alpha          DOUBLE,
    alpha_low      DOUBLE,
    alpha_high     DOUBLE,
    alpha_reason   VARCHAR,
    entropy        DOUBLE,
    reported_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (prompt_version, field)
);

CREATE TABLE panel_reports (
    prompt_version         VARCHAR PRIMARY KEY,
    palettes               INTEGER NOT NULL,
    models                 JSON NOT NULL,
    correlation            JSON NOT NULL,
    effective_votes        DOUBLE NOT NULL,
    cost_usd               DECIMAL(18, 10) NOT NULL,
    usd_per_effective_vote DECIMAL(18, 10),
    without                JSON NOT NULL,
    sentence               VARCHAR NOT NULL,
    reported_at            TIMESTAMPTZ NOT NULL
);
