\copy customers FROM 'workloads/ratings/customers.jsonl' (FORMAT json)
\copy ratings FROM 'workloads/ratings/ratings.jsonl' (FORMAT json)
\copy ledger FROM 'workloads/ratings/ledger.jsonl' (FORMAT json)
