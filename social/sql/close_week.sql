-- Settles a week that has ended, in the cooperatives with ids from %(first)s to %(last)s: shares of the week that
-- arrived late still extend the streak and may be a new best. _close_week in social/statistics.py executes it.
--
-- %(week)s is the week's Monday, %(today)s its Sunday, %(ends_at)s the instant at which it ended (UTC). Running it
-- again changes nothing. {shares_of_member} stands for the text of shares_of_member.sql.

WITH team AS (
    -- Only members who joined before the week ended: the shares of the others belong to where they were then.
    SELECT member.cooperative_id, sum(shares.week)::bigint AS shares, sum(shares.best ORDER BY member.user_id) AS best
    FROM cooperative_members member
    CROSS JOIN LATERAL (
        {shares_of_member}
    ) shares
    WHERE member.cooperative_id BETWEEN %(first)s AND %(last)s AND member.joined_at < %(ends_at)s
    GROUP BY member.cooperative_id
), fresh AS MATERIALIZED (
    -- The streak and the best that follow from all shares of the week, and whether they differ from what is stored.
    SELECT cooperative.id, greatest(cooperative.best_combined_diff, team.best) AS best,
           coalesce(week_before.streak, 0) + 1 AS streak,
           (coalesce(team.shares, 0) > 0 OR this_week.week IS NOT NULL)
           AND this_week.streak IS DISTINCT FROM coalesce(week_before.streak, 0) + 1 AS is_new_week,
           team.best > cooperative.best_combined_diff AS is_new_best
    FROM cooperatives cooperative
    LEFT JOIN team ON team.cooperative_id = cooperative.id
    LEFT JOIN cooperative_weeks this_week
        ON this_week.cooperative_id = cooperative.id AND this_week.week = %(week)s
        AND this_week.cooperative_id BETWEEN %(first)s AND %(last)s
    LEFT JOIN cooperative_weeks week_before
        ON week_before.cooperative_id = cooperative.id AND week_before.week = %(week)s - 7
        AND week_before.cooperative_id BETWEEN %(first)s AND %(last)s
    WHERE cooperative.id BETWEEN %(first)s AND %(last)s
), locked AS MATERIALIZED (
    -- The cooperatives that will be written, locked in the order of ids.
    SELECT id FROM cooperatives
    WHERE id BETWEEN %(first)s AND %(last)s AND id IN (SELECT id FROM fresh WHERE is_new_week OR is_new_best)
    ORDER BY id FOR NO KEY UPDATE
), weeks AS (
    -- Notes that the week has a share, and how long the streak was.
    INSERT INTO cooperative_weeks (cooperative_id, week, streak)
    SELECT id, %(week)s, streak FROM fresh JOIN locked USING (id) WHERE is_new_week
    ON CONFLICT (cooperative_id, week) DO UPDATE SET streak = excluded.streak
)
UPDATE cooperatives cooperative SET best_combined_diff = fresh.best
FROM fresh JOIN locked USING (id)
WHERE cooperative.id = fresh.id AND cooperative.id BETWEEN %(first)s AND %(last)s AND fresh.is_new_best
