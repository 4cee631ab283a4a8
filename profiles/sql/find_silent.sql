-- Takes machines offline that are silent as of %(now)s, and decides which silences are told. take_silent_offline in
-- profiles/mining.py executes it, batch by batch: %(size)s machines with ids above %(after)s.
--
-- {silent_after} stands for the text of silent_after.sql. A machine is silent while told_silent_since = last_share_at.
--
-- The answer has one row for each machine written: its id, user and name, its last share, whether a silence has begun,
-- whether its owner has to be notified now, and of how many silences.

WITH quiet AS MATERIALIZED (
    -- SKIP LOCKED: a row someone else holds belongs to a machine we are hearing from right now.
    SELECT worker.id, worker.user_id, alerts, silences, last_share_at, state.*, limits.*
    FROM workers worker
    CROSS JOIN LATERAL (
        SELECT make_interval(secs => {silent_after}) AS patience,
               coalesce(told_silent_since = last_share_at, false) AS was_silent
    ) own
    CROSS JOIN LATERAL (
        SELECT %(now)s::timestamptz - patience AS before, last_share_at + patience AS fell_silent_at,
               last_share_at - interval '24 hours' AS day_before,
               -- A silent machine, and one that never had a share, may be connected for so long.
               %(now)s::timestamptz - CASE WHEN was_silent OR last_share_at IS NULL THEN interval '30 minutes'
                                           ELSE patience END AS connected_before
    ) limits
    CROSS JOIN LATERAL (
        SELECT coalesce(NOT was_silent AND last_share_at < before, false) AS is_new,
               -- A silence that was held back is told after all when it has gone on for a day.
               was_silent AND silence_news = 'held' AND last_share_at < %(now)s::timestamptz - interval '24 hours'
                   AS is_long,
               -- A connection and a rate hold as long as a share would, or for 30 minutes if no share comes with them.
               is_online AND coalesce(greatest(last_share_at, heard_at) < connected_before, false) AS is_unheard,
               hashrate_1h > 0 AND coalesce(greatest(last_share_at, heard_at,
                   CASE WHEN last_share_at IS NULL THEN hashrate_at END) < connected_before, false) AS is_rate_old
    ) state
    WHERE is_watched AND worker.id > %(after)s AND (is_new OR is_long OR is_unheard OR is_rate_old)
    ORDER BY worker.id LIMIT %(size)s FOR NO KEY UPDATE OF worker SKIP LOCKED
), judged AS (
    -- Four silences within 24 hours: the fourth is told as such, and later ones are held back until 24 hours have passed
    -- without one. Who gets no notification now gets none later either, and no word of the machine's return.
    SELECT quiet.*, flapping.is_flapping,
           CASE WHEN NOT (alerts AND wish.in_app AND users.is_active) THEN 'muted'
                WHEN is_new AND is_flapping THEN 'held'
                ELSE 'told' END AS news
    FROM quiet
    JOIN users ON users.id = quiet.user_id
    JOIN notification_preferences wish ON wish.user_id = quiet.user_id
    CROSS JOIN LATERAL (
        SELECT coalesce(cardinality(silences) = 4 AND silences[4] > day_before, false) AS is_flapping
    ) flapping
), counted AS (
    -- The silences of the 24 hours before this one, and this one. While the machine is flapping, the last of the four
    -- is replaced.
    SELECT judged.*,
           CASE WHEN news = 'muted' OR NOT (is_new OR is_long) THEN silences
                WHEN is_long THEN ARRAY[last_share_at]
                WHEN is_flapping THEN silences[:3] || last_share_at
                ELSE ARRAY(SELECT one FROM unnest(silences) AS one WHERE one > day_before ORDER BY one)
                     || last_share_at END AS recent
    FROM judged
)
UPDATE workers worker SET
    is_online = worker.is_online AND NOT (is_new OR is_unheard),
    -- A silent machine mines nothing.
    hashrate_1h = CASE WHEN is_new OR is_rate_old THEN 0 ELSE hashrate_1h END,
    told_silent_since = CASE WHEN is_new THEN counted.last_share_at ELSE told_silent_since END,
    heard_at = CASE WHEN is_new THEN greatest(heard_at, fell_silent_at) ELSE heard_at END,
    silence_news = CASE WHEN is_new OR is_long THEN news ELSE silence_news END,
    silences = recent
FROM counted WHERE worker.id = counted.id
RETURNING worker.id, worker.user_id, worker.name, worker.last_share_at, is_new,
          (is_new OR is_long) AND news = 'told',
          CASE WHEN is_new AND cardinality(recent) = 4 THEN 4 ELSE 1 END
