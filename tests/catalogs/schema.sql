CREATE SCHEMA app;
CREATE TABLE customers (id integer PRIMARY KEY, name text NOT NULL, email varchar(100) UNIQUE, balance numeric(12,2) DEFAULT 0,
    tags text[], attrs jsonb, created_at timestamptz NOT NULL DEFAULT now(), born date, active boolean DEFAULT true);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id integer NOT NULL, total double precision, note text,
    placed timestamp, dur interval, raw bytea);
CREATE INDEX orders_customer_idx ON orders (customer_id);
CREATE VIEW order_totals AS
    SELECT c.id, c.name, sum(o.total) AS total, count(*) AS n FROM customers c JOIN orders o ON o.customer_id = c.id
    WHERE c.active GROUP BY c.id, c.name;
CREATE MATERIALIZED VIEW mv_daily AS SELECT date_trunc('day', placed) AS day, count(*) AS n FROM orders GROUP BY 1;
CREATE INDEX mv_daily_day ON mv_daily (day);
CREATE TABLE app.events (id integer, kind text, at timestamptz, UNIQUE (id, kind));
CREATE STREAM ledger (account text NOT NULL, amount integer DEFAULT 0);
CREATE STREAM credits AS SELECT account, amount FROM ledger WHERE amount > 0;
INSERT INTO customers (id, name, email) SELECT g, 'name' || g, 'e' || g || '@x.org' FROM generate_series(1, 50) g;
INSERT INTO orders (id, customer_id, total) SELECT g, 1 + g % 50, g * 2.5 FROM generate_series(1, 500) g;
