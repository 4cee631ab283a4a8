-- These rows change with nearly every batch of shares. PostgreSQL fills their pages to 70 % only, so that a row's next
-- version fits on the same page and the update touches no index.

ALTER TABLE game_states SET (fillfactor = 70);
ALTER TABLE workers SET (fillfactor = 70);
ALTER TABLE daily_shares SET (fillfactor = 70);

-- To undo:
ALTER TABLE daily_shares RESET (fillfactor);
ALTER TABLE workers RESET (fillfactor);
ALTER TABLE game_states RESET (fillfactor);
