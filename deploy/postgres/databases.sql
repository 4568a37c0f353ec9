-- Run once, by the image of PostgreSQL, when the volume is new. The database of POSTGRES_DB (Dagster's records) is there
-- already; this one holds the ledger and everything else that grabient writes.
CREATE DATABASE warehouse;
