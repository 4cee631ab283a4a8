-- What one member has mined from %(week)s, a Monday, to %(today)s. It is a part of refresh_statistics.sql and of
-- close_week.sql, which call the row of cooperative_members `member`. social/statistics.py puts them together.

SELECT coalesce(sum(shares) FILTER (WHERE day = %(today)s), 0)::bigint AS today,
       coalesce(sum(shares), 0)::bigint AS week, coalesce(max(best_difficulty), 0) AS best
FROM daily_shares WHERE user_id = member.user_id AND day BETWEEN %(week)s AND %(today)s
