-- Currency conversion: every bid with its price in another currency.
CREATE VIEW q1 AS
    SELECT auction, bidder, price * 908 / 1000 AS price, channel, url, date_time, extra FROM bid;

-- The same without the strings.
CREATE VIEW q1_pruned AS
    SELECT auction, bidder, price * 908 / 1000 AS price, date_time FROM bid;

-- Selection: bids for some auctions.
CREATE VIEW q2 AS
    SELECT auction, price FROM bid WHERE auction % 123 = 0;

-- Local item suggestion: who sells in one category and lives in one of three states.
CREATE VIEW q3 AS
    SELECT p.name, p.city, p.state, a.id
    FROM auction a JOIN person p ON a.seller = p.id
    WHERE a.category = 10 AND p.state IN ('or', 'id', 'ca');

-- Average price for a category: over its auctions, the highest bid while the auction was open.
CREATE VIEW q4 AS
    SELECT category, avg(final) AS average
    FROM (SELECT a.id, a.category, max(b.price) AS final
          FROM auction a JOIN bid b ON a.id = b.auction
          WHERE b.date_time BETWEEN a.date_time AND a.expires
          GROUP BY a.id, a.category) closed
    GROUP BY category;
