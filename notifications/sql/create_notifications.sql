-- Stores notifications of one kind and numbers them: the only statement that adds rows to notifications.
--
-- _create in notifications/services.py calls it, in the transaction of the cause. What it keeps:
--   * A recipient is passed over if suspended, if the preferences say no, or if already notified of this cause, also
--     when that notification has been deleted since.
--   * seq counts each user's notifications 1, 2, 3 … in the order of commits, without a gap.
--   * The ids of one user's notifications grow with their seqs, because they are drawn under the lock, in that order.
--   * unread, stored_by_type and unread_by_type in notification_counters equal the rows of notifications.
--   * A kind that is mailed leaves an e-mail due for each user who wants e-mail and confirmed an address.
--   * A text that names a user says the name only to the recipients who may see it now. The others get and keep the
--     anonymous text.
--
-- Arguments: recipients[i] gets the text number text_numbers[i] of causes, titles, descriptions and details. A text that
-- names a user has the user's id, the name it says and its anonymous description in people, names and anonymous; for
-- the others they are NULL. kind_* are the same for all. kind_preference is the column of notification_preferences that
-- switches the kind off; '' means that the kind is always wanted. A type or a switch that the function does not know is
-- an error, and nothing is stored.
--
-- The users who are named are held first, because users come before counters in the order of locks. So none of them
-- goes private between the decision and the commit. The next statement locks the counters of the users who want the
-- kind, in the order of user ids, and reads each last_seq as the lock found it. The last statement has a snapshot of its
-- own, taken after the locks. It therefore sees the causes that the transactions before it stored, so a repeated cause
-- neither fails nor leaves a gap.
--
-- The answer is one row of arrays, NULL if nobody was notified. All rows of a call have the same time.
--
-- The settings pin the plan to one index look-up per row, which is right for 1 and for 10,000 recipients. The OFFSET
-- does its part: it keeps the search for causes from becoming a join. Without them a connection would keep the plan it
-- made while the table was empty, and would read the whole table as it grows.

CREATE OR REPLACE FUNCTION create_notifications(
    recipients bigint[], text_numbers integer[],
    causes text[], titles text[], descriptions text[], details jsonb[],
    people bigint[], names text[], anonymous text[],
    kind_type text, kind_subtype text, kind_preference text, kind_url text, kind_label text,
    kind_is_mailed boolean, kind_lasts interval
) RETURNS TABLE (
    ids bigint[], user_ids bigint[], seqs bigint[], causes_told text[], named boolean[], stored_at timestamptz,
    mails bigint
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    type_number CONSTANT integer :=
        array_position(ARRAY['mining', 'gamification', 'competition', 'social', 'system'], kind_type);
    switches CONSTANT text[] := ARRAY[
        '', 'personal_best', 'badge_earned', 'education_recommendation', 'world_cup_match', 'lottery_results',
        'leaderboard_change', 'block_found_any', 'coop_activity'
    ];
    holders bigint[];
    numbers integer[];
    last_seqs bigint[];
BEGIN
    IF type_number IS NULL THEN
        RAISE EXCEPTION 'there is no type of notification called %', quote_nullable(kind_type)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF array_position(switches, kind_preference) IS NULL THEN
        RAISE EXCEPTION 'there is no switch in notification_preferences called %', quote_nullable(kind_preference)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    IF cardinality(array_remove(people, NULL)) > 0 THEN
        PERFORM hold_people(people);
    END IF;

    SELECT array_agg(held.user_id), array_agg(held.text_number), array_agg(held.last_seq)
    INTO holders, numbers, last_seqs
    FROM (
        SELECT item.user_id, item.text_number, counter.last_seq
        FROM unnest(recipients, text_numbers) AS item (user_id, text_number)
        JOIN notification_counters counter ON counter.user_id = item.user_id
        JOIN users ON users.id = item.user_id
        JOIN notification_preferences wish ON wish.user_id = item.user_id
        WHERE users.is_active AND wish.in_app
          AND CASE kind_preference
                WHEN '' THEN true
                WHEN 'personal_best' THEN wish.personal_best
                WHEN 'badge_earned' THEN wish.badge_earned
                WHEN 'education_recommendation' THEN wish.education_recommendation
                WHEN 'world_cup_match' THEN wish.world_cup_match
                WHEN 'lottery_results' THEN wish.lottery_results
                WHEN 'leaderboard_change' THEN wish.leaderboard_change
                WHEN 'block_found_any' THEN wish.block_found_any
                WHEN 'coop_activity' THEN wish.coop_activity
              END
        ORDER BY item.user_id, item.text_number
        FOR NO KEY UPDATE OF counter
    ) held;

    RETURN QUERY
    WITH fresh AS (
        SELECT held.user_id, held.text_number,
               held.last_seq + row_number() OVER (PARTITION BY held.user_id ORDER BY held.text_number) AS seq,
               people[held.text_number] IS NOT NULL
                   AND may_be_named(people[held.text_number], names[held.text_number], held.user_id) AS is_named
        FROM unnest(holders, numbers, last_seqs) AS held (user_id, text_number, last_seq)
        WHERE NOT EXISTS (
            SELECT FROM notifications told WHERE told.user_id = held.user_id AND told.cause = causes[held.text_number]
            OFFSET 0
        ) AND NOT EXISTS (
            SELECT FROM deleted_notifications told
            WHERE told.user_id = held.user_id AND told.cause = causes[held.text_number]
            OFFSET 0
        )
    ), bumped AS (
        UPDATE notification_counters counter
        SET last_seq = counter.last_seq + tally.rows,
            unread = counter.unread + tally.rows,
            stored_by_type[type_number] = counter.stored_by_type[type_number] + tally.rows,
            unread_by_type[type_number] = counter.unread_by_type[type_number] + tally.rows
        FROM (SELECT fresh.user_id, count(*) AS rows FROM fresh GROUP BY fresh.user_id) tally
        WHERE counter.user_id = tally.user_id
    ), stored AS (
        INSERT INTO notifications AS notification (
            user_id, seq, type, subtype, title, description, action_url, action_label, metadata, expires_at, cause,
            named_user_id, named_as, anonymous_description
        )
        SELECT fresh.user_id, fresh.seq, kind_type, kind_subtype, titles[fresh.text_number],
               CASE WHEN people[fresh.text_number] IS NULL OR fresh.is_named
                    THEN descriptions[fresh.text_number] ELSE anonymous[fresh.text_number] END,
               kind_url, kind_label, details[fresh.text_number],
               statement_timestamp() + kind_lasts, causes[fresh.text_number],
               CASE WHEN fresh.is_named THEN people[fresh.text_number] END,
               CASE WHEN fresh.is_named THEN names[fresh.text_number] END,
               CASE WHEN fresh.is_named THEN anonymous[fresh.text_number] END
        FROM fresh
        ORDER BY fresh.user_id, fresh.seq
        RETURNING notification.id, notification.user_id, notification.seq, notification.cause,
                  notification.named_user_id, notification.created_at
    ), mailed AS (
        INSERT INTO email_deliveries (notification_id)
        SELECT stored.id FROM stored JOIN notification_preferences wish ON wish.user_id = stored.user_id
        WHERE kind_is_mailed AND wish.email_notifications AND wish.email_state = 'confirmed'
        RETURNING 1
    )
    SELECT array_agg(stored.id), array_agg(stored.user_id), array_agg(stored.seq), array_agg(stored.cause::text),
           array_agg(stored.named_user_id IS NOT NULL), max(stored.created_at), (SELECT count(*) FROM mailed)
    FROM stored;
END $$;

-- To undo:
DROP FUNCTION create_notifications;
