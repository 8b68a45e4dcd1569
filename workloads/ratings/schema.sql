-- What comes in: a stream, which only grows, and a table, which changes.
CREATE STREAM ratings (
    rating_id   int,
    user_id     int,
    stars       int,
    route_id    int,
    rating_time bigint,
    channel     text,
    message     text,
    _rowtime    bigint   -- milliseconds since 1970
) WITH (TIMESTAMP = '_rowtime');

CREATE TABLE customers (
    id          int PRIMARY KEY,
    first_name  text,
    last_name   text,
    email       text,
    gender      text,
    club_status text,
    comments    text
);

CREATE STREAM ledger (account_id text, amount numeric(12,2));
