//! Tests of the whole page on a sample with every part, and what other tests share.

use std::collections::HashSet;
use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use minijinja::context;
use minijinja::value::{Serde, Value};

use super::*;

const SAMPLE: &str = include_str!("tests/sample.html");

const CLASSES: [&str; 10] = [
    "disc", "ring", "square", "triangle", "cross", "star", "heart", "arrow", "crescent", "wave",
];

const SECTIONS: [(&str, &str); 6] = [
    ("method", "The method"),
    ("features", "What the encoder sees"),
    ("training", "Training"),
    ("samples", "Samples"),
    ("timings", "Timings"),
    ("next", "Next"),
];

/// A number in [0, 1) from SplitMix64.
pub fn uniform(seed: u64, number: u64) -> f64 {
    let mut bits = seed.wrapping_shl(32) ^ number;
    bits = bits.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// `count` approximately normal numbers: sums of twelve uniform ones.
pub fn normal(seed: u64, sample: u64, count: usize) -> Vec<f32> {
    let first = 12 * (sample << 16);
    let one = |index: u64| {
        let uniforms = (0..12).map(|part| uniform(seed, first + 12 * index + part));
        (uniforms.sum::<f64>() - 6.0) as f32
    };
    (0..count as u64).map(one).collect()
}

/// Encodes an image as PNG.
pub fn png(image: &RgbImage) -> Vec<u8> {
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

/// Squares of different colours, one row per class.
fn picture(columns: u32) -> Value {
    let squares = RgbImage::from_fn(34 * columns, 34 * CLASSES.len() as u32, |x, y| {
        let square = u64::from(y / 34 * columns + x / 34);
        Rgb([0, 1, 2].map(|channel| (255.0 * uniform(channel, square)) as u8))
    });
    Value::from(Serde(Picture::new(&png(&squares)).unwrap()))
}

fn loss(name: &str, from: f64, to: f64, seed: u64) -> Value {
    let value = |step: u64| {
        let decay = (-(step as f64) / 200.0).exp();
        (to + (from - to) * decay) * (0.9 + 0.2 * uniform(seed, step))
    };
    let points = (1..=1500).map(|step| vec![step as f64, value(step)]);
    context! { name, points => points.collect::<Vec<_>>() }
}

/// What the templates of the tests show.
fn data() -> Value {
    let point = |number: usize| {
        let mut point = normal(1, number as u64, 16);
        point[number % 10] += if number % 10 < 7 { 7.0 } else { 1.0 };
        point
    };
    let points: Vec<Vec<f32>> = (0..500).map(point).collect();
    let dots = tsne(&points, 30.0, &normal(2, 0, 1000));
    let dots = dots.into_iter().enumerate();
    let dots = dots.map(|(number, [x, y])| (x, y, number % 10));
    context! {
        title => "SVG on shapes & colours",
        mark => "<b>\"&'</b>",
        classes => CLASSES.to_vec(),
        pictures => [4, 2, 8].map(picture).to_vec(),
        dots => Serde(dots.collect::<Vec<_>>()),
        losses => vec![
            loss("reconstruction", 0.6, 0.04, 1),
            loss("alignment", 2.0, 0.2, 2),
            loss("velocity", 2.0, 0.9, 3),
        ],
        distances => Serde([[1.0, 214.3], [2.0, 96.8], [5.0, 41.25], [10.0, 33.1], [25.0, 31.92]]),
        sizes => context! {
            image_side => 32,
            grid => vec![8, 8],
            semantic => 96,
            residual => 8,
            encoder => "Nano ViT",
            encoder_parameters => 712_320,
            residual_parameters => 1_204_000,
            decoder_parameters => 2_350_000,
            velocity_parameters => 4_830_000,
            steps => 25,
        },
    }
}

fn sample() -> String {
    render(SAMPLE, data())
}

/// Values of an attribute in the whole document.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!(" {name}=\"");
    let values = html.split(&opening).skip(1);
    values.map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn the_page_references_no_other_resources() {
    let html = sample();
    assert!(
        attributes(&html, "src")
            .iter()
            .all(|src| src.starts_with("data:image/png;base64,"))
    );
    let links = attributes(&html, "href");
    let links: Vec<_> = links
        .into_iter()
        .filter(|link| link.contains(':'))
        .collect();
    assert_eq!(links, ["data:,", "https://arxiv.org/abs/2510.15301"]);
    for word in ["<script", "@import", "url(", "@font-face", "xmlns"] {
        assert!(!html.contains(word), "{word}");
    }
}

#[test]
fn the_navigation_links_to_every_section() {
    let html = sample();
    let nav = html
        .split("<nav")
        .nth(1)
        .unwrap()
        .split("</nav>")
        .next()
        .unwrap();
    for (id, heading) in SECTIONS {
        assert!(
            nav.contains(&format!("<a href=\"#{id}\">{heading}</a>")),
            "{heading}"
        );
        assert!(
            html.contains(&format!("<section id=\"{id}\">\n<h2>{heading}</h2>")),
            "{heading}"
        );
    }
}

#[test]
fn identifiers_are_unique() {
    let html = sample();
    let ids = attributes(&html, "id");
    assert_eq!(ids.len(), 6);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
}

#[test]
fn every_element_is_closed() {
    let html = sample();
    let mut open = Vec::new();
    for tag in html.split('<').skip(1) {
        let inside = tag.split('>').next().unwrap();
        let name = inside.split([' ', '\n']).next().unwrap();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !inside.ends_with('/')
            && !["!DOCTYPE", "!--", "meta", "link", "img"].contains(&name)
        {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn text_is_escaped_everywhere() {
    let html = render(include_str!("tests/escaped.html"), data());
    assert!(!html.contains("<b>\"") && !html.contains("\"&'"));
    assert!(html.matches("&lt;b&gt;&quot;&amp;&#39;&lt;/b&gt;").count() > 20);
}

#[test]
fn sections_are_delimited_by_comments() {
    let html = sample();
    let (before, rest) = html.split_once("<!-- timings -->").unwrap();
    let (timings, after) = rest.split_once("<!-- /timings -->").unwrap();
    assert!(timings.contains("134.0 s"));
    assert!(!before.contains("134.0 s") && !after.contains("134.0 s"));
}

#[test]
fn the_same_page_gives_the_same_html() {
    assert!(sample() == sample());
}

#[test]
#[should_panic(expected = "two sections have the identifier `method`")]
fn two_sections_with_one_identifier_panic() {
    render(&SAMPLE.replace("\"features\"", "\"method\""), data());
}

#[test]
#[should_panic(expected = "`a--b` must consist of lower-case letters, digits and single hyphens")]
fn an_invalid_identifier_panics() {
    render(&SAMPLE.replace("\"method\"", "\"a--b\""), data());
}

#[test]
#[should_panic(expected = "undefined")]
fn a_value_that_is_missing_panics() {
    render("{{ value }}", context! {});
}

/// To view the page: `SVG_REPORT_SAMPLE=page.html cargo test -p svg-report`.
#[test]
fn a_page_with_all_blocks_is_smaller_than_500_kb() {
    let html = sample();
    assert!(html.len() < 500_000, "{} bytes", html.len());
    if let Some(path) = std::env::var_os("SVG_REPORT_SAMPLE") {
        std::fs::write(path, html).unwrap();
    }
}

/// Left, top, width and height of the boxes of a layout of the diagram of the method, its texts, and where its arrows
/// begin and end.
type Diagram<'a> = (Vec<[f64; 4]>, Vec<&'a str>, Vec<[[f64; 2]; 2]>);

fn diagram(svg: &str) -> Diagram<'_> {
    let number = |text: &str| text.parse::<f64>().unwrap();
    let boxes = svg.split("<rect ").skip(1).map(|rect| {
        let rect = format!(" {rect}");
        ["x", "y", "width", "height"].map(|side| number(attributes(&rect, side)[0]))
    });
    let texts = svg
        .split("</text>")
        .filter_map(|text| text.rsplit_once('>'));
    let arrows = svg.split("class=\"arrow\" d=\"M").skip(1).map(|path| {
        let path = path.split('"').next().unwrap().replace('C', " ");
        let numbers: Vec<f64> = path.split(' ').map(number).collect();
        [[numbers[0], numbers[1]], [numbers[6], numbers[7]]]
    });
    let mut texts: Vec<_> = texts.map(|(_, text)| text).collect();
    texts.sort_unstable();
    (boxes.collect(), texts, arrows.collect())
}

#[test]
fn both_layouts_of_the_method_show_the_same_and_arrows_connect_boxes_that_do_not_overlap() {
    let html = sample();
    let layouts = ["wide", "narrow"].map(|class| {
        let (_, svg) = html
            .split_once(&format!("<svg class=\"{class}\" viewBox=\"0 0 "))
            .unwrap();
        svg.split_once("</svg>").unwrap().0
    });
    let [wide, narrow] = layouts.map(diagram);
    assert_eq!(wide.1, narrow.1);
    for (layout, (boxes, _, arrows)) in layouts.iter().zip([wide, narrow]) {
        assert_eq!((boxes.len(), arrows.len()), (11, 11));
        let size = layout.split('"').next().unwrap().split_once(' ').unwrap();
        let [right, bottom] = [size.0, size.1].map(|side| side.parse::<f64>().unwrap());
        for (place, [left, top, width, height]) in boxes.iter().enumerate() {
            assert!(*left > 0.0 && left + width < right, "{place}");
            assert!(*top > 0.0 && top + height <= bottom, "{place}");
            let covered = boxes[..place].iter().any(|[x, y, w, h]| {
                *left < x + w && *x < left + width && *top < y + h && *y < top + height
            });
            assert!(!covered, "{place}");
        }
        // A head is 8 long.
        let near = |[x, y]: [f64; 2]| {
            let beside = |[left, top, width, height]: &[f64; 4]| {
                let [across, down] = [(left, width, x), (top, height, y)]
                    .map(|(start, length, at)| (start - at).max(at - start - length));
                (across <= 0.0 && (0.0..=8.0).contains(&down))
                    || (down <= 0.0 && (0.0..=8.0).contains(&across))
            };
            boxes.iter().position(beside)
        };
        for [from, to] in arrows {
            let (from, to) = (near(from), near(to));
            assert!(
                from.is_some() && to.is_some() && from != to,
                "{from:?} {to:?}"
            );
        }
    }
}
