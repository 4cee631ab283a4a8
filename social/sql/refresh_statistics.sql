-- Brings the statistics of the cooperatives with ids from %(first)s to %(last)s to what the machines and the days of
-- their members say, and writes only what differs. _refresh_batch in social/statistics.py executes it.
--
-- %(today)s is the UTC day, %(week)s the Monday of its week, %(hour)s the start of the UTC hour. The snapshot of the
-- statement is the moment that the statistics describe. The range of ids stands in every part of the statement,
-- because without it each batch would read whole tables. Floats are summed in a fixed order, because in another order
-- the last bits of the sum differ, and a second run would find something to write.
--
-- {shares_of_member} stands for the text of shares_of_member.sql.
--
-- The answer is one row: how many members were written, how many cooperatives were written, and an array of
-- [id, streak before, streak, weeks of the streak that had ended], one for each active cooperative whose streak grew.

WITH seat AS MATERIALIZED (
    -- Each member's fresh values, and whether the row in cooperative_members says something else.
    SELECT member.id, member.cooperative_id, member.user_id, rig.hashrate, rig.is_online,
           shares.today, shares.week, shares.best,
           (member.hashrate, member.is_online, member.shares_today)
           IS DISTINCT FROM (rig.hashrate, rig.is_online, shares.today) AS is_stale
    FROM cooperative_members member
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(hashrate_1h ORDER BY name), 0) AS hashrate, coalesce(bool_or(is_online), false) AS is_online
        FROM workers WHERE user_id = member.user_id
    ) rig
    CROSS JOIN LATERAL (
        {shares_of_member}
    ) shares
    WHERE member.cooperative_id BETWEEN %(first)s AND %(last)s
), team AS (
    -- The sums of each cooperative that has members.
    SELECT cooperative_id, sum(hashrate ORDER BY user_id) AS hashrate, sum(week)::bigint AS shares,
           sum(best ORDER BY user_id) AS best
    FROM seat GROUP BY cooperative_id
), fresh AS MATERIALIZED (
    -- Each cooperative's fresh values, and which rows they make stale: its own, this week's, this hour's sample.
    SELECT cooperative.id, value.*, has_share,
           has_share AND this_week.streak IS DISTINCT FROM value.streak AS is_new_week,
           cooperative.member_count > 0 AND sample.hashrate IS NULL AS is_new_hour,
           (combined_hashrate, total_shares_week, best_combined_diff, weekly_streak)
           IS DISTINCT FROM (value.hashrate, value.shares, value.best, value.streak) AS is_stale
    FROM cooperatives cooperative
    LEFT JOIN team ON team.cooperative_id = cooperative.id
    LEFT JOIN cooperative_weeks this_week
        ON this_week.cooperative_id = cooperative.id AND this_week.week = %(week)s
        AND this_week.cooperative_id BETWEEN %(first)s AND %(last)s
    LEFT JOIN cooperative_weeks last_week
        ON last_week.cooperative_id = cooperative.id AND last_week.week = %(week)s - 7
        AND last_week.cooperative_id BETWEEN %(first)s AND %(last)s
    LEFT JOIN cooperative_hashrates sample
        ON sample.cooperative_id = cooperative.id AND sample.sampled_at = %(hour)s
        AND sample.cooperative_id BETWEEN %(first)s AND %(last)s
    CROSS JOIN LATERAL (SELECT coalesce(team.shares, 0) > 0 OR this_week.week IS NOT NULL AS has_share) week
    CROSS JOIN LATERAL (
        SELECT coalesce(team.hashrate, 0) AS hashrate, coalesce(team.shares, 0) AS shares,
               greatest(cooperative.best_combined_diff, team.best) AS best,
               coalesce(last_week.streak, 0) + has_share::int AS streak
    ) value
    WHERE cooperative.id BETWEEN %(first)s AND %(last)s
), locked AS MATERIALIZED (
    -- The cooperatives that will be written, or whose members will be, locked in the order of ids.
    SELECT id FROM cooperatives
    WHERE id BETWEEN %(first)s AND %(last)s
      AND (id IN (SELECT id FROM fresh WHERE is_stale OR is_new_week OR is_new_hour)
           OR id IN (SELECT cooperative_id FROM seat WHERE is_stale))
    ORDER BY id FOR NO KEY UPDATE
), members AS (
    -- Writes the stale members.
    UPDATE cooperative_members member
    SET hashrate = seat.hashrate, is_online = seat.is_online, shares_today = seat.today
    FROM seat JOIN locked ON locked.id = seat.cooperative_id
    WHERE member.id = seat.id AND member.cooperative_id BETWEEN %(first)s AND %(last)s AND seat.is_stale
    RETURNING 1
), weeks AS (
    -- Notes that this week has a share, and how long the streak is.
    INSERT INTO cooperative_weeks (cooperative_id, week, streak)
    SELECT id, %(week)s, streak FROM fresh JOIN locked USING (id) WHERE is_new_week
    ON CONFLICT (cooperative_id, week) DO UPDATE SET streak = excluded.streak
), samples AS (
    -- Keeps the first hashrate of the hour, for the chart.
    INSERT INTO cooperative_hashrates (cooperative_id, sampled_at, hashrate)
    SELECT id, %(hour)s, hashrate FROM fresh JOIN locked USING (id) WHERE is_new_hour
    ON CONFLICT DO NOTHING
), written AS (
    -- Writes the stale cooperatives.
    UPDATE cooperatives cooperative
    SET combined_hashrate = fresh.hashrate, total_shares_week = fresh.shares,
        best_combined_diff = fresh.best, weekly_streak = fresh.streak
    FROM fresh JOIN locked USING (id)
    WHERE cooperative.id = fresh.id AND cooperative.id BETWEEN %(first)s AND %(last)s AND fresh.is_stale
    RETURNING cooperative.id, old.weekly_streak AS streak_before, new.weekly_streak AS streak, new.is_active,
              fresh.streak - fresh.has_share::int AS ended_weeks
)
SELECT (SELECT count(*) FROM members), (SELECT count(*) FROM written), ARRAY(
    SELECT ARRAY[id, streak_before, streak, ended_weeks] FROM written
    WHERE is_active AND streak > streak_before ORDER BY id)
