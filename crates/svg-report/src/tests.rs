//! Tests of the whole page on a sample with every kind of block.

use std::collections::HashSet;

use image::{Rgb, RgbImage};

use super::*;
use crate::testing::{normal, png, uniform};

const CLASSES: [&str; 10] = [
    "disc", "ring", "square", "triangle", "cross", "star", "heart", "arrow", "crescent", "wave",
];

/// Squares of different colours, one row per class.
fn picture(columns: u32, caption: &str) -> Picture {
    let squares = RgbImage::from_fn(34 * columns, 34 * CLASSES.len() as u32, |x, y| {
        let square = u64::from(y / 34 * columns + x / 34);
        Rgb([0, 1, 2].map(|channel| (255.0 * uniform(channel, square)) as u8))
    });
    Picture {
        png: png(&squares),
        alt: format!("Ten rows of {columns} small pictures, one row for each class"),
        caption: caption.into(),
    }
}

fn loss(name: &str, from: f64, to: f64, seed: u64) -> Series {
    let value = |step: u64| {
        let decay = (-(step as f64) / 200.0).exp();
        (to + (from - to) * decay) * (0.9 + 0.2 * uniform(seed, step))
    };
    let points = (1..=1500).map(|step| [step as f64, value(step)]);
    Series {
        name: name.into(),
        points: points.collect(),
    }
}

fn strings<const COUNT: usize>(words: [&str; COUNT]) -> Vec<String> {
    words.map(String::from).to_vec()
}

/// A page similar to that of the demonstration, with `<`, `&` and quotes in its texts.
fn sample() -> Page {
    let point = |number: usize| {
        let mut point = normal(1, number as u64, 16);
        point[number % 10] += if number % 10 < 7 { 7.0 } else { 1.0 };
        point
    };
    let points: Vec<Vec<f32>> = (0..500).map(point).collect();
    let dots = tsne(&points, 30.0, &normal(2, 0, 1000))
        .into_iter()
        .enumerate();
    let distances = [
        [1.0, 214.3],
        [2.0, 96.8],
        [5.0, 41.25],
        [10.0, 33.1],
        [25.0, 31.92],
    ];
    let section = |id: &str, heading: &str, blocks: Vec<Block>| Section {
        id: id.into(),
        heading: heading.into(),
        blocks,
    };
    let chart = |title: &str, log_y, series| Chart {
        title: title.into(),
        x_label: "step".into(),
        y_label: "loss".into(),
        log_x: false,
        log_y,
        series,
    };
    let pipeline = Pipeline {
        image_side: 32,
        grid: [8, 8],
        semantic: 96,
        residual: 8,
        encoder: "Nano ViT".into(),
        encoder_parameters: 712_320,
        residual_parameters: 1_204_000,
        decoder_parameters: 2_350_000,
        velocity_parameters: 4_830_000,
        steps: 25,
    };
    let table = Table {
        head: strings([
            "Steps",
            "Fr\u{e9}chet distance",
            "Agreement with the class",
            "Evaluations of the network",
        ]),
        rows: distances
            .iter()
            .map(|[steps, distance]| {
                vec![
                    steps.to_string(),
                    format!("{distance:.2}"),
                    format!("{:.1} %", 90.0 - distance / 3.0),
                    format!("{}", 2.0 * steps),
                ]
            })
            .collect(),
        caption: "1,000 samples against the 1,000 pictures of the test set".into(),
    };
    Page {
        title: "SVG on shapes & colours".into(),
        lead: "Latent diffusion on frozen features, trained from nothing in seven minutes on two CPU cores: a velocity \
               network reaches a Fr\u{e9}chet distance of 31.9 in 25 steps.".into(),
        sections: vec![
            section("method", "The method", vec![
                Block::Text("It is that of \u{201c}Latent Diffusion Model without Variational Autoencoder\u{201d}, https://arxiv.org/abs/2510.15301.\n\n\
                             The encoder is `encoder.safetensors` in this folder, <frozen>.".into()),
                Block::Pipeline(pipeline),
            ]),
            section("features", "What the encoder sees", vec![
                Block::Figures(vec![
                    Figure::Picture(picture(4, "Pictures, and below each other their classes")),
                    Figure::Picture(picture(2, "The same, fewer")),
                ]),
                Block::Figures(vec![Figure::Scatter(Scatter {
                    title: "t-SNE of the latents of 500 test pictures".into(),
                    classes: CLASSES.map(String::from).to_vec(),
                    points: dots.map(|(number, at)| Dot { at, class: number % 10 }).collect(),
                })]),
            ]),
            section("training", "Training", vec![
                Block::Figures(vec![
                    Figure::Chart(chart("Autoencoder", true, vec![loss("reconstruction", 0.6, 0.04, 1), loss("alignment", 2.0, 0.2, 2)])),
                    Figure::Chart(chart("Flow", false, vec![loss("velocity", 2.0, 0.9, 3)])),
                ]),
            ]),
            section("samples", "Samples", vec![
                Block::Picture(picture(8, "Samples in 25 steps, a class in each row.")),
                Block::Chart(Chart {
                    title: "Fr\u{e9}chet distance by steps".into(),
                    x_label: "steps".into(),
                    y_label: "distance".into(),
                    log_x: false,
                    log_y: true,
                    series: vec![Series { name: "distance".into(), points: distances.to_vec() }],
                }),
                Block::Table(table),
            ]),
            section("timings", "Timings", vec![Block::Table(Table {
                head: strings(["Phase", "Time"]),
                rows: vec![strings(["data", "2.1 s"]), strings(["autoencoder", "134.0 s"]), strings(["flow", "240.9 s"])],
                caption: "Seconds of each phase, over all starts".into(),
            })]),
            section("next", "Next", vec![Block::Commands(vec![
                Command { says: "More samples of one class:".into(), line: "svg sample --bundle demo/bundle --class star --count 64 --steps 25 --seed 7 --guidance 1.5 --out stars.png".into() },
                Command { says: "Train on, with `--resume`:".into(), line: "svg train flow --resume demo/flow && echo \"done\"".into() },
            ])]),
        ],
    }
}

/// Values of an attribute in the whole document.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!(" {name}=\"");
    let values = html.split(&opening).skip(1);
    values.map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn the_page_references_no_other_resources() {
    let html = sample().html();
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
    let page = sample();
    let html = page.html();
    let nav = html
        .split("<nav")
        .nth(1)
        .unwrap()
        .split("</nav>")
        .next()
        .unwrap();
    for Section { id, heading, .. } in &page.sections {
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
    let html = sample().html();
    let ids = attributes(&html, "id");
    assert_eq!(ids.len(), 6);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
}

#[test]
fn every_element_is_closed() {
    let html = sample().html();
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
    let mark = || "<b>\"&'</b>".to_string();
    let text = |id: &str, blocks| Section {
        id: id.into(),
        heading: mark(),
        blocks,
    };
    let chart = || Chart {
        title: mark(),
        x_label: mark(),
        y_label: mark(),
        log_x: false,
        log_y: false,
        series: [1.0, 2.0]
            .map(|y| Series {
                name: mark(),
                points: vec![[0.0, y], [1.0, y]],
            })
            .into(),
    };
    let page = Page {
        title: mark(),
        lead: mark(),
        sections: vec![text(
            "all",
            vec![
                Block::Text(mark()),
                Block::Chart(chart()),
                Block::Figures(vec![Figure::Chart(chart())]),
                Block::Picture(Picture {
                    alt: mark(),
                    caption: mark(),
                    ..picture(1, "")
                }),
                Block::Figures(vec![Figure::Scatter(Scatter {
                    title: mark(),
                    classes: vec![mark()],
                    points: vec![Dot {
                        at: [0.0, 0.0],
                        class: 0,
                    }],
                })]),
                Block::Table(Table {
                    head: vec![mark()],
                    rows: vec![vec![mark()]],
                    caption: mark(),
                }),
                Block::Commands(vec![Command {
                    says: mark(),
                    line: mark(),
                }]),
            ],
        )],
    };
    let html = page.html();
    assert!(!html.contains("<b>\"") && !html.contains("\"&'"));
    assert!(html.matches("&lt;b&gt;&quot;&amp;&#39;&lt;/b&gt;").count() > 20);
}

#[test]
fn sections_are_delimited_by_comments() {
    let html = sample().html();
    let (before, rest) = html.split_once("<!-- timings -->").unwrap();
    let (timings, after) = rest.split_once("<!-- /timings -->").unwrap();
    assert!(timings.contains("134.0 s"));
    assert!(!before.contains("134.0 s") && !after.contains("134.0 s"));
}

#[test]
fn the_same_page_gives_the_same_html() {
    assert!(sample().html() == sample().html());
}

#[test]
#[should_panic(expected = "two sections have the identifier `method`")]
fn two_sections_with_one_identifier_panic() {
    let mut page = sample();
    page.sections[1].id = "method".into();
    page.html();
}

#[test]
#[should_panic(expected = "`a--b` must consist of lower-case letters, digits and single hyphens")]
fn an_invalid_identifier_panics() {
    let mut page = sample();
    page.sections[0].id = "a--b".into();
    page.html();
}

/// To view the page: `SVG_REPORT_SAMPLE=page.html cargo test -p svg-report`.
#[test]
fn a_page_with_all_blocks_is_smaller_than_500_kb() {
    let html = sample().html();
    assert!(html.len() < 500_000, "{} bytes", html.len());
    if let Some(path) = std::env::var_os("SVG_REPORT_SAMPLE") {
        std::fs::write(path, html).unwrap();
    }
}
