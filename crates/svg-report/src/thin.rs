//! Fewer points of a long curve.

/// At most `most` points: the first, the last, and between them the means of buckets of equal size.
///
/// A mean keeps what a reader looks for in a noisy curve, its course; the ends keep where it began and where it is.
/// A curve that is short enough is returned as it is.
///
/// # Panics
///
/// If `most` is below three.
pub fn thin(points: &[[f64; 2]], most: usize) -> Vec<[f64; 2]> {
    assert!(most >= 3, "{most} points have no middle");
    if points.len() <= most {
        return points.to_vec();
    }
    let (last, buckets) = (points.len() - 1, most - 2);
    let inner = &points[1..last];
    let edge = |bucket: usize| bucket * inner.len() / buckets;
    let means = (0..buckets).map(|bucket| {
        let bucket = &inner[edge(bucket)..edge(bucket + 1)];
        [0, 1].map(|i| bucket.iter().map(|point| point[i]).sum::<f64>() / bucket.len() as f64)
    });
    let mut thinned = vec![points[0]];
    thinned.extend(means);
    thinned.push(points[last]);
    thinned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_stay_and_there_are_as_many_points_as_asked_for() {
        for count in [301, 599, 10_000] {
            let points: Vec<[f64; 2]> = (0..count)
                .map(|i| [f64::from(i), f64::from(i * i)])
                .collect();
            let thinned = thin(&points, 300);
            assert_eq!(thinned.len(), 300);
            assert_eq!(thinned.first(), points.first());
            assert_eq!(thinned.last(), points.last());
        }
    }

    #[test]
    fn a_straight_line_stays_one_and_its_points_in_order() {
        let points: Vec<[f64; 2]> = (0..1000)
            .map(|i| [f64::from(i), f64::from(2 * i + 1)])
            .collect();
        let thinned = thin(&points, 50);
        assert!(
            thinned
                .iter()
                .all(|[x, y]| (2.0 * x + 1.0 - y).abs() < 1e-9)
        );
        assert!(thinned.windows(2).all(|pair| pair[0][0] < pair[1][0]));
    }

    #[test]
    fn a_short_curve_is_left_alone() {
        let points = [[0.0, 1.0], [1.0, 3.0], [2.0, -1.0]];
        assert_eq!(thin(&points, 3), points);
        assert!(thin(&[], 3).is_empty());
    }
}
