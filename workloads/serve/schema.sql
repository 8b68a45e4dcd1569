-- The same table in Tidewater and in PostgreSQL.
CREATE TABLE accounts (
    id      bigint PRIMARY KEY,
    owner   text NOT NULL,
    balance bigint NOT NULL
);
