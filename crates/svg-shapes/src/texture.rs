//! Textures of the ground.

use crate::draw::Draw;

/// A pattern with values from -1 to 1 over the picture.
pub(crate) enum Texture {
    /// Linear gradient along a direction.
    Gradient { across: f64, down: f64 },
    /// Rotated checkerboard.
    Checks { across: f64, down: f64 },
    /// Value noise: random values at the corners of cells, interpolated in between.
    Cells { count: usize, corners: Vec<f64> },
}

impl Texture {
    pub fn gradient(draw: &mut Draw) -> Self {
        let angle = draw.angle();
        Self::Gradient {
            across: libm::cos(angle),
            down: libm::sin(angle),
        }
    }

    pub fn new(draw: &mut Draw) -> Self {
        match draw.below(4) {
            0 => Self::gradient(draw),
            1 => {
                let (angle, fields) = (draw.angle(), draw.between(5.0, 9.0));
                Self::Checks {
                    across: fields * libm::cos(angle),
                    down: fields * libm::sin(angle),
                }
            }
            2 => {
                let count = 3 + draw.below(4);
                Self::cells(count, draw)
            }
            _ => Self::cells(30, draw),
        }
    }

    fn cells(count: usize, draw: &mut Draw) -> Self {
        let corners = (count + 1) * (count + 1);
        let corners = (0..corners).map(|_| draw.between(-1.0, 1.0)).collect();
        Self::Cells { count, corners }
    }

    /// Value at `x` to the right and `y` down, both from 0 to 1.
    pub fn at(&self, x: f64, y: f64) -> f64 {
        match self {
            Self::Gradient { across, down } => {
                let along = 2.0 * ((x - 0.5) * across + (y - 0.5) * down);
                along.clamp(-1.0, 1.0)
            }
            Self::Checks { across, down } => {
                let (u, v) = (x * across + y * down, y * across - x * down);
                // The product changes sign at the edges of fields; the factor makes the transition narrow.
                (6.0 * wave(u) * wave(v)).clamp(-1.0, 1.0)
            }
            Self::Cells { count, corners } => {
                let place = |value: f64| {
                    let scaled = value * *count as f64;
                    let cell = (scaled as usize).min(count - 1);
                    let part = scaled - cell as f64;
                    (cell, part * part * (3.0 - 2.0 * part))
                };
                let ((column, right), (row, below)) = (place(x), place(y));
                let corner = |row: usize, column: usize| corners[row * (count + 1) + column];
                let along = |row: usize| {
                    corner(row, column) * (1.0 - right) + corner(row, column + 1) * right
                };
                along(row) * (1.0 - below) + along(row + 1) * below
            }
        }
    }
}

/// Triangle wave of period 2: 0 at integers, alternately 1 and -1 between them.
fn wave(value: f64) -> f64 {
    let within = value - value.floor();
    let height = 1.0 - (2.0 * within - 1.0).abs();
    if value.floor() % 2.0 == 0.0 {
        height
    } else {
        -height
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textures_stay_within_bounds_and_are_not_flat() {
        for index in 0..100 {
            let texture = Texture::new(&mut Draw::new(2, 0, index));
            let values = (0..=20)
                .flat_map(|x| (0..=20).map(move |y| [f64::from(x) / 20.0, f64::from(y) / 20.0]));
            let values: Vec<_> = values.map(|[x, y]| texture.at(x, y)).collect();
            assert!(values.iter().all(|value| (-1.0..=1.0).contains(value)));
            let high = values.iter().copied().fold(f64::MIN, f64::max);
            let low = values.iter().copied().fold(f64::MAX, f64::min);
            assert!(high - low > 0.3, "picture {index}: {low} to {high}");
        }
    }
}
