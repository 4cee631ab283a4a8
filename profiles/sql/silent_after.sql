-- An expression over a row of workers: after how many seconds without a share the machine counts as silent.
--
-- The owner's choice comes first. Otherwise it is ten times the mean time between shares that the machine's rate and
-- difficulty predict, difficulty × 2^32 / rate, and at least 30 minutes, at most 24 hours. Gaps between shares are
-- exponential, so a healthy machine has a longer one once in e^10 = 22,026 shares.
--
-- The borders are compared by multiplication, because the quotient of absurd values does not fit a float.

CASE
    WHEN silent_after_minutes IS NOT NULL THEN silent_after_minutes * 60.0::float8
    WHEN assigned_difficulty IS NULL OR rate_at_share IS NULL OR rate_at_share <= 0 THEN 1800
    WHEN assigned_difficulty * 42949672960.0::float8 <= rate_at_share * 1800 THEN 1800
    WHEN assigned_difficulty * 42949672960.0::float8 >= rate_at_share * 86400 THEN 86400
    ELSE assigned_difficulty * 42949672960.0::float8 / rate_at_share
END
