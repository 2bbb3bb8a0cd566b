//! Downsampling of curves.

/// Reduces a curve to at most `most` points: the first, the last, and the means of equal buckets in between.
///
/// Means preserve the trend of a noisy curve, and the ends its first and last value. Curves that are short enough
/// are returned unchanged. `most` is at least three.
pub fn thin(points: &[[f64; 2]], most: usize) -> Vec<[f64; 2]> {
    assert!(most >= 3, "`most` must be at least 3, but is {most}");
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
    fn thinning_keeps_the_ends_and_returns_the_requested_number() {
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
    fn a_straight_line_stays_straight_and_ordered() {
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
    fn short_curves_are_unchanged() {
        let points = [[0.0, 1.0], [1.0, 3.0], [2.0, -1.0]];
        assert_eq!(thin(&points, 3), points);
        assert!(thin(&[], 3).is_empty());
    }
}
