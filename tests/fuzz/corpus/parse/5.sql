COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER, NULL 'x'); BEGIN; SAVEPOINT s; ROLLBACK; EXPLAIN OPTIMIZED SELECT -- c
 /* d */ 1.5e3, U&'\0041', interval '1 day', array[1]