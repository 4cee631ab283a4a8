-- update_cooperative_stats in social/statistics.py changes the rows of members every few minutes. PostgreSQL fills
-- their pages to 50 % only, so that a row's next version fits on the same page and the update touches no index.

ALTER TABLE cooperative_members SET (fillfactor = 50);

-- To undo:
ALTER TABLE cooperative_members RESET (fillfactor);
