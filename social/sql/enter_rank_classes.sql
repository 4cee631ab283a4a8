-- Finds the cooperatives that have entered a class of ranks (%(classes)s: top 1, 3 …) in the week of %(week)s, and
-- notes each class in cooperative_weeks. _notify_of_ranks in social/statistics.py executes it, after the ranks are written.
--
-- A class is entered if the cooperative was in it neither this week nor last week. A rank that goes to and fro around a
-- border therefore enters nothing, and nor does every Monday's new start.
--
-- The answer is one row (cooperative id, class entered) for each cooperative whose members are to be notified.

WITH place AS MATERIALIZED (
    -- For each of the best %(last_class)s, the smallest class it is in, if it was in no class as small this week.
    SELECT cooperative.id, rank_class.entered
    FROM cooperatives cooperative
    CROSS JOIN LATERAL (
        SELECT min(bound) AS entered FROM unnest(%(classes)s) bound WHERE bound >= cooperative.weekly_rank
    ) rank_class
    JOIN cooperative_weeks week ON week.cooperative_id = cooperative.id AND week.week = %(week)s
    WHERE cooperative.is_active AND cooperative.weekly_rank BETWEEN 1 AND %(last_class)s
      AND (week.best_rank_class IS NULL OR rank_class.entered < week.best_rank_class)
    ORDER BY cooperative.weekly_rank LIMIT %(last_class)s
), locked AS MATERIALIZED (
    -- Those of them that are still active, locked in the order of ids.
    SELECT id FROM cooperatives WHERE id IN (SELECT id FROM place) AND is_active ORDER BY id FOR NO KEY UPDATE
), entered AS (
    -- Notes the class in the week.
    UPDATE cooperative_weeks week SET best_rank_class = place.entered
    FROM place JOIN locked USING (id)
    WHERE week.cooperative_id = place.id AND week.week = %(week)s
    RETURNING week.cooperative_id, week.best_rank_class
)
SELECT entered.cooperative_id, entered.best_rank_class
FROM entered LEFT JOIN cooperative_weeks last_week
    ON last_week.cooperative_id = entered.cooperative_id AND last_week.week = %(week)s - 7
WHERE last_week.best_rank_class IS NULL OR entered.best_rank_class < last_week.best_rank_class
ORDER BY entered.cooperative_id
