-- A filter of a stream is a stream: every poor rating, once, in order.
CREATE STREAM poor_ratings AS
    SELECT * FROM ratings WHERE stars < 3;

-- Each rating with its customer as she is when it arrives: what changes later revises nothing. (In a materialized view the same join would
-- follow both sides.)
CREATE STREAM ratings_with_customer_data AS
    SELECT * FROM ratings r LEFT JOIN customers c ON r.user_id = c.id;

CREATE STREAM unhappy_platinum_customers AS
    SELECT club_status, email, stars, message
    FROM ratings_with_customer_data
    WHERE stars < 3 AND club_status = 'platinum';

-- By club status and minute of event time: kept up to date, like a materialized view.
CREATE TABLE ratings_by_club_status AS
    SELECT club_status, count(*) AS ratings, avg(stars) AS stars
    FROM ratings_with_customer_data
    WINDOW TUMBLING (SIZE 1 MINUTES)
    GROUP BY club_status;

-- The duality: a table is the fold of a stream.
CREATE MATERIALIZED VIEW balances AS
    SELECT account_id, sum(amount) AS balance FROM ledger GROUP BY account_id;
