SELECT owner, balance FROM accounts WHERE id = $1
