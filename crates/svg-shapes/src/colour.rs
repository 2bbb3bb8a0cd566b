//! Colours of figure and ground with sufficient contrast.

use crate::draw::Draw;

/// Red, green and blue from 0 to 1, as stored (not linear).
pub(crate) type Colour = [f64; 3];

/// Minimum difference of luma between figure and ground.
const CONTRAST: f64 = 0.3;

/// Minimum difference between figure and clutter in at least one channel.
const APART: f64 = 0.3;

/// Colours of one picture.
pub(crate) struct Palette {
    pub figure: Colour,
    pub ground: Colour,
}

impl Palette {
    /// Draws both colours from one distribution; the figure has the brighter one.
    pub fn new(draw: &mut Draw) -> Self {
        loop {
            let (figure, ground) = (colour(draw), colour(draw));
            if luma(figure) - luma(ground) >= CONTRAST {
                return Self { figure, ground };
            }
        }
    }

    /// A colour that differs from the figure.
    pub fn accent(&self, draw: &mut Draw) -> Colour {
        loop {
            let accent = colour(draw);
            let apart = accent.iter().zip(self.figure).map(|(a, b)| (a - b).abs());
            if apart.fold(0.0, f64::max) >= APART {
                return accent;
            }
        }
    }
}

pub(crate) fn luma([red, green, blue]: Colour) -> f64 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// `first + part (second - first)`.
pub(crate) fn mix(first: Colour, second: Colour, part: f64) -> Colour {
    [0, 1, 2].map(|channel| first[channel] + part * (second[channel] - first[channel]))
}

/// A colour with uniform hue, saturation and value.
fn colour(draw: &mut Draw) -> Colour {
    let hue = draw.between(0.0, 6.0);
    let saturation = draw.between(0.1, 0.9);
    let value = draw.between(0.15, 1.0);
    [5.0, 3.0, 1.0].map(|channel| {
        let place = (channel + hue) % 6.0;
        let dip = place.min(4.0 - place).clamp(0.0, 1.0);
        value * (1.0 - saturation * dip)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_brighter_than_the_ground_by_the_contrast() {
        for index in 0..400 {
            let Palette { figure, ground } = Palette::new(&mut Draw::new(0, 0, index));
            assert!(luma(figure) - luma(ground) >= CONTRAST);
        }
    }
}
