-- Whether a palette may be refined although a check keeps it back: a sensor's later run does the sending.

ALTER TABLE asks ADD COLUMN despite_checks BOOLEAN DEFAULT false;
