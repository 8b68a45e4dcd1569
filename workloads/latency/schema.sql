-- Readings of sensors; each insert is one transaction.
CREATE TABLE readings (
    id     bigint PRIMARY KEY,
    sensor int NOT NULL,
    value  bigint NOT NULL
);
