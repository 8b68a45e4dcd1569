-- A filter of a stream is a stream: every poor rating, once, in order.
CREATE STREAM poor_ratings AS
    SELECT * FROM ratings WHERE stars < 3;

-- A join is a maintained table: a customer who changes changes the result.
CREATE MATERIALIZED VIEW ratings_with_customer_data AS
    SELECT r.rating_id, r.user_id, r.stars, r.channel, r.message, r._rowtime,
           c.id AS customer_id, c.first_name, c.last_name, c.email, c.club_status
    FROM ratings r LEFT JOIN customers c ON r.user_id = c.id;

CREATE MATERIALIZED VIEW unhappy_platinum_customers AS
    SELECT club_status, email, stars, message
    FROM ratings_with_customer_data
    WHERE stars < 3 AND club_status = 'platinum';

-- By club status and minute of event time.
CREATE MATERIALIZED VIEW ratings_by_club_status AS
    SELECT club_status,
           date_bin('1 minute', to_timestamp(_rowtime / 1000.0), '1970-01-01 00:00+00') AS window_start,
           count(*) AS ratings, avg(stars) AS stars
    FROM ratings_with_customer_data
    GROUP BY 1, 2;

-- The duality: a table is the fold of a stream.
CREATE MATERIALIZED VIEW balances AS
    SELECT account_id, sum(amount) AS balance FROM ledger GROUP BY account_id;
