//! Fewer marks where more can't be seen, without losing an extreme.

use super::chart::Candle;

/// A place in the picture.
pub(super) type Place = (f64, f64);

/// The column of pixels that a place is in.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a place beyond all pixels is in the last column"
)]
pub(super) fn column(x: f64) -> i64 {
    x.floor() as i64
}

/// The line through many places: of those in one column of pixels the first, the lowest, the
/// highest and the last. Drawn, it covers what the whole line would.
pub(super) fn line(places: Vec<Place>, width: f64) -> Vec<Place> {
    #[expect(clippy::cast_precision_loss, reason = "points are far fewer than 2^53")]
    if (places.len() as f64) < width * 4.0 {
        return places;
    }
    let mut kept = Vec::new();
    let mut column: Vec<Place> = Vec::new();
    for place in places {
        if column
            .first()
            .is_some_and(|first| self::column(first.0) != self::column(place.0))
        {
            keep(&column, &mut kept);
            column.clear();
        }
        column.push(place);
    }
    keep(&column, &mut kept);
    kept
}

fn keep(column: &[Place], kept: &mut Vec<Place>) {
    let mut of_note: Vec<usize> = vec![0, column.len().saturating_sub(1)];
    let extreme = |better: fn(f64, f64) -> bool| {
        let mut best = 0;
        for (at, place) in column.iter().enumerate() {
            if better(place.1, column[best].1) {
                best = at;
            }
        }
        best
    };
    of_note.push(extreme(|new, best| new < best));
    of_note.push(extreme(|new, best| new > best));
    of_note.sort_unstable();
    of_note.dedup();
    kept.extend(of_note.into_iter().filter_map(|at| column.get(at)));
}

/// Candles of which none is closer to the next than a distance in `x`: neighbours become one, with
/// the first's open, the last's close and the extremes of all.
pub(super) fn candles(candles: &[Candle], distance: f64) -> Vec<Candle> {
    let mut kept: Vec<Candle> = Vec::new();
    let mut column = f64::NEG_INFINITY;
    for candle in candles {
        let own = (candle.x / distance).floor();
        match kept.last_mut() {
            Some(last) if own <= column => {
                last.high = last.high.max(candle.high);
                last.low = last.low.min(candle.low);
                last.close = candle.close;
            }
            _ => {
                kept.push(*candle);
                column = own;
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_line_keeps_every_columns_ends_and_extremes() {
        let places: Vec<Place> = (0..10_000)
            .map(|at| (f64::from(at) / 100.0, f64::from((at * 7919) % 1000)))
            .collect();
        let kept = line(places.clone(), 100.0);
        assert!(kept.len() <= 400, "{}", kept.len());
        for at in 0..100 {
            let in_column = |places: &[Place]| -> Vec<Place> {
                let own = |place: &&Place| column(place.0) == at;
                places.iter().filter(own).copied().collect()
            };
            let (all, few) = (in_column(&places), in_column(&kept));
            assert_eq!((all[0], all.last()), (few[0], few.last()));
            let range = |places: &[Place]| {
                let ys = places.iter().map(|place| place.1);
                (
                    ys.clone().fold(f64::MAX, f64::min),
                    ys.fold(f64::MIN, f64::max),
                )
            };
            assert_eq!(range(&all), range(&few), "{at}");
        }
    }

    #[test]
    fn a_short_line_stays_as_it_is() {
        let places = vec![(0.1, 1.0), (0.2, 5.0), (0.3, 3.0)];
        assert_eq!(line(places.clone(), 100.0), places);
    }

    #[test]
    fn candles_are_put_together_as_candles() {
        let candle = |x: f64, open, high, low, close| Candle {
            x,
            open,
            high,
            low,
            close,
        };
        let all = [
            candle(0.0, 1.0, 4.0, 0.5, 2.0),
            candle(1.0, 2.0, 9.0, 1.5, 3.0),
            candle(2.0, 3.0, 3.5, 0.1, 0.2),
        ];
        assert_eq!(candles(&all, 1.0), all);
        assert_eq!(
            candles(&all, 2.0),
            [candle(0.0, 1.0, 9.0, 0.5, 3.0), all[2]]
        );
    }
}
