-- The ids of staff accounts count down from -1. The ids of miners come from the platform and are positive.
--
-- UserManager.next_staff_id in profiles/models.py draws from it.

CREATE SEQUENCE staff_user_ids AS bigint INCREMENT BY -1 MAXVALUE -1 START WITH -1;

-- To undo:
DROP SEQUENCE staff_user_ids;
