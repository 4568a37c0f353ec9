-- Whether what is asked may be sent although its price is not known: a sensor's later run does the sending.

ALTER TABLE asks ADD COLUMN allow_unpriced BOOLEAN DEFAULT false;
