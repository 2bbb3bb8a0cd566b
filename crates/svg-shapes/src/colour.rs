//! Two colours that can be told apart.

use crate::draw::Draw;

/// Red, green and blue from 0 to 1, as stored and not linear.
pub(crate) type Colour = [f64; 3];

/// Between figure and ground, in luma.
const CONTRAST: f64 = 0.3;

/// Between figure and clutter, in one channel at least.
const APART: f64 = 0.3;

/// The colours of one picture.
pub(crate) struct Palette {
    pub figure: Colour,
    pub ground: Colour,
}

impl Palette {
    /// Both of one distribution; the brighter one is the figure's.
    pub fn new(draw: &mut Draw) -> Self {
        loop {
            let (figure, ground) = (colour(draw), colour(draw));
            if luma(figure) - luma(ground) >= CONTRAST {
                return Self { figure, ground };
            }
        }
    }

    /// A colour that does not join the figure.
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

/// Hue, saturation and value, each uniform.
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
    fn the_figure_is_the_brighter_of_two_colours_that_can_be_told_apart() {
        for index in 0..400 {
            let Palette { figure, ground } = Palette::new(&mut Draw::new(0, 0, index));
            assert!(luma(figure) - luma(ground) >= CONTRAST);
        }
    }
}
