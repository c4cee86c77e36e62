-- For each book and each threshold that it was above in this run: the largest spread.
select book, threshold.value as threshold, max(spread) as spread
from spread, json_each(:thresholds) as threshold
where run = {{ run.id }} and spread > threshold.value
group by book, threshold.value
order by book, threshold.value;
