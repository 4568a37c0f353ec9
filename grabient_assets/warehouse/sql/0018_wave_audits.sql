-- Palettes that were certain after wave one and are asked on anyway, to see how many of their values turn. A row is
-- written with the asks of the next wave, and gets its end when that wave was heard.

CREATE TABLE wave_audits (
    seed           VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    plan_id        VARCHAR NOT NULL,
    voices         INTEGER NOT NULL,
    certain_of     VARCHAR[] NOT NULL,
    ended_as       VARCHAR[],
    chosen_at      TIMESTAMPTZ NOT NULL,
    ended_at       TIMESTAMPTZ,
    PRIMARY KEY (seed, prompt_version)
);

-- A palette that is certain after wave one waits while the audit of its plan is under way.
ALTER TABLE tagging_waves ADD COLUMN held BOOLEAN DEFAULT false;
