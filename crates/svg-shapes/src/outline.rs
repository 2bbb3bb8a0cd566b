//! Polygons and their coverage of pixels.

use tiny_skia::{FillRule, Mask, PathBuilder, Transform};

/// Coordinates to the right and down, in units of the picture's side.
pub(crate) type Point = [f64; 2];

/// Closed polygons that do not intersect. Holes have the opposite orientation.
pub(crate) struct Outline(pub Vec<Vec<Point>>);

impl Outline {
    pub fn area(&self) -> f64 {
        let polygon = |points: &Vec<Point>| {
            let next = points.iter().cycle().skip(1);
            let pairs = points.iter().zip(next);
            pairs.map(|(a, b)| a[0] * b[1] - a[1] * b[0]).sum::<f64>() / 2.0
        };
        self.0.iter().map(polygon).sum::<f64>().abs()
    }

    /// Minimum and maximum coordinates.
    pub fn bounds(&self) -> [Point; 2] {
        let points = self.0.iter().flatten();
        points.fold([[f64::MAX; 2], [f64::MIN; 2]], |[low, high], [x, y]| {
            [
                [low[0].min(*x), low[1].min(*y)],
                [high[0].max(*x), high[1].max(*y)],
            ]
        })
    }

    pub fn scaled(self, [x, y]: [f64; 2]) -> Self {
        self.map(|point| [x * point[0], y * point[1]])
    }

    pub fn turned(self, angle: f64) -> Self {
        let (sine, cosine) = (libm::sin(angle), libm::cos(angle));
        self.map(|[x, y]| [cosine * x - sine * y, sine * x + cosine * y])
    }

    pub fn moved(self, [x, y]: [f64; 2]) -> Self {
        self.map(|point| [point[0] + x, point[1] + y])
    }

    fn map(self, change: impl Fn(Point) -> Point) -> Self {
        let polygons = self.0.into_iter();
        Self(
            polygons
                .map(|points| points.into_iter().map(&change).collect())
                .collect(),
        )
    }

    /// Coverage of each pixel from 0 to 1, row by row, for a picture of `size` x `size` pixels.
    pub fn coverage(&self, size: u32) -> Vec<f64> {
        let mut path = PathBuilder::new();
        for points in &self.0 {
            for (place, [x, y]) in points.iter().enumerate() {
                match place {
                    0 => path.move_to(*x as f32, *y as f32),
                    _ => path.line_to(*x as f32, *y as f32),
                }
            }
            path.close();
        }
        let mut mask = Mask::new(size, size).expect("a picture has pixels");
        let path = path.finish().expect("an outline has an area");
        let pixels = Transform::from_scale(size as f32, size as f32);
        mask.fill_path(&path, FillRule::EvenOdd, true, pixels);
        let covered = mask.data().iter();
        covered.map(|level| f64::from(*level) / 255.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(half: f64) -> Vec<Point> {
        [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]
            .map(|[x, y]| [half * x, half * y])
            .into()
    }

    fn frame() -> Outline {
        let hole: Vec<_> = square(0.125).into_iter().rev().collect();
        Outline(vec![square(0.25), hole])
    }

    #[test]
    fn holes_are_excluded_from_area_and_coverage() {
        let frame = frame().moved([0.5; 2]);
        assert_eq!(frame.area(), 0.25 - 0.0625);
        let covered = frame.coverage(16);
        assert_eq!(covered.iter().sum::<f64>() / 256.0, frame.area());
        assert_eq!((covered[8 * 16 + 8], covered[8 * 16 + 5]), (0.0, 1.0));
    }

    #[test]
    fn rotation_and_translation_keep_the_area_and_scaling_multiplies_it() {
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12);
        close(frame().turned(1.0).moved([3.0, 1.0]).area(), frame().area());
        close(frame().scaled([2.0, 0.75]).area(), 1.5 * frame().area());
    }

    #[test]
    fn outlines_outside_the_picture_cover_nothing() {
        let covered = frame().moved([3.0, 0.5]).coverage(16);
        assert!(covered.iter().all(|level| *level == 0.0));
    }
}
