SELECT count(*) AS ratings FROM ratings;
SELECT count(*) AS poor FROM poor_ratings;
SELECT count(*) AS joined, count(*) FILTER (WHERE id IS NULL) AS unmatched FROM ratings_with_customer_data;
SELECT count(*) AS unhappy_platinum FROM unhappy_platinum_customers;
SELECT count(*) AS windows, count(*) FILTER (WHERE club_status IS NOT NULL) AS of_customers FROM ratings_by_club_status;
SELECT email, count(*) AS poor_ratings FROM unhappy_platinum_customers GROUP BY email ORDER BY 2 DESC, 1 LIMIT 3;
SELECT * FROM ratings_by_club_status WHERE club_status = 'platinum' ORDER BY window_start LIMIT 3;
SELECT count(*) AS accounts, sum(balance) AS total FROM balances;
