-- What each insert changes: the row of its sensor.
CREATE MATERIALIZED VIEW sensors AS
    SELECT sensor, count(*) AS readings, sum(value) AS total FROM readings GROUP BY sensor;
