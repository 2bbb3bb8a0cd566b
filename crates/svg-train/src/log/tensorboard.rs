//! Event files, as [TensorBoard](https://github.com/tensorflow/tensorboard) reads them.
//!
//! A file is a sequence of records in TensorFlow's framing: the length of the data in 8
//! little-endian bytes, a checksum of those bytes in 4, the data, and a checksum of the data in 4.
//! The data are a protocol buffer, of which this module declares the fields that it needs. Names and
//! numbers are those of `tensorflow/core/util/event.proto` and
//! `tensorflow/core/framework/summary.proto`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;
use svg_image::{RgbImage, encode_png};

use super::error::LogError;
use super::scalars::Scalars;

/// A file of events that is appended to.
#[derive(Debug)]
pub(crate) struct TensorBoard {
    path: PathBuf,
    file: File,
}

impl TensorBoard {
    /// Begins a new file in `folder`, which is made if need be. Earlier files stay, and TensorBoard
    /// shows them all as one run.
    ///
    /// `started` is in the file's name, by which TensorBoard orders them.
    pub fn create(folder: impl AsRef<Path>, started: SystemTime) -> Result<Self, LogError> {
        let folder = folder.as_ref();
        let seconds = unix_time(started) as u64;
        let name = format!("events.out.tfevents.{seconds:010}.svg");
        let mut path = folder.join(&name);
        std::fs::create_dir_all(folder).map_err(LogError::file(&path))?;
        let mut number = 0;
        let made = loop {
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                // Another start within the same second.
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                    number += 1;
                    path.set_file_name(format!("{name}.{number}"));
                }
                made => break made,
            }
        };
        let file = made.map_err(LogError::file(&path))?;
        let mut events = Self { path, file };
        events.write(&Event {
            wall_time: unix_time(started),
            file_version: Some("brain.Event:2".into()),
            ..Event::default()
        })?;
        Ok(events)
    }

    /// Adds all numbers of a step, as one event. TensorBoard groups names by what stands before a slash.
    pub fn scalars(&mut self, step: u64, scalars: &Scalars) -> Result<(), LogError> {
        let values = scalars.iter().map(|(name, value)| scalar(name, value));
        self.summary(step, values.collect())
    }

    /// Adds a picture, which must have pixels.
    pub fn image(&mut self, step: u64, name: &str, image: &RgbImage) -> Result<(), LogError> {
        let value = Value {
            tag: name.into(),
            image: Some(Image {
                height: image.height() as i32,
                width: image.width() as i32,
                colorspace: 3,
                encoded_image_string: encode_png(image, &[]),
            }),
            ..Value::default()
        };
        self.summary(step, vec![value])
    }

    fn summary(&mut self, step: u64, value: Vec<Value>) -> Result<(), LogError> {
        self.write(&Event {
            wall_time: unix_time(SystemTime::now()),
            step: step as i64,
            summary: Some(Summary { value }),
            ..Event::default()
        })
    }

    fn write(&mut self, event: &Event) -> Result<(), LogError> {
        // One call, so that a reader of the growing file does not see half a record for long.
        let written = self.file.write_all(&record(&event.encode_to_vec()));
        written.map_err(LogError::file(&self.path))
    }
}

fn scalar(name: &str, value: f64) -> Value {
    Value {
        tag: name.into(),
        simple_value: Some(value as f32),
        ..Value::default()
    }
}

/// Seconds since 1970; 0 for a clock set before that.
fn unix_time(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// TensorFlow's framing of some data.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(checksum(&length).to_le_bytes());
    record.extend(data);
    record.extend(checksum(data).to_le_bytes());
    record
}

/// CRC-32C, turned and shifted so that data which hold checksums have none of special form.
fn checksum(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// `tensorflow.Event`.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

/// `tensorflow.Summary.Value`.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    // Optional, so that a zero is written too.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
    #[prost(message, optional, tag = "4")]
    image: Option<Image>,
}

/// `tensorflow.Summary.Image`.
#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    #[prost(int32, tag = "3")]
    colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    encoded_image_string: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use svg_image::{DecodeOptions, Rgb, decode};

    use super::*;

    fn started() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_700_000_000_250)
    }

    /// The events of a file, whose checksums must be right.
    fn events(path: &Path) -> Vec<Event> {
        let bytes = std::fs::read(path).unwrap();
        let mut rest = bytes.as_slice();
        let mut events = Vec::new();
        while !rest.is_empty() {
            let (length, tail) = rest.split_at(8);
            let (length_sum, tail) = tail.split_at(4);
            assert_eq!(length_sum, checksum(length).to_le_bytes());
            let length = u64::from_le_bytes(length.try_into().unwrap());
            let (data, tail) = tail.split_at(length as usize);
            let (data_sum, tail) = tail.split_at(4);
            assert_eq!(data_sum, checksum(data).to_le_bytes());
            events.push(Event::decode(data).unwrap());
            rest = tail;
        }
        events
    }

    #[test]
    fn the_checksum_is_that_of_castagnoli_and_masked() {
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        // The length 24 at the head of every event file that TensorFlow itself begins.
        let header = [24, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(checksum(&header).to_le_bytes(), [0xa3, 0x7f, 0x4b, 0x22]);
    }

    #[test]
    fn a_file_begins_with_its_version_and_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let log = TensorBoard::create(folder.path().join("new"), started()).unwrap();
        let name = log.path.file_name().unwrap();
        assert_eq!(name, "events.out.tfevents.1700000000.svg");
        assert_eq!(std::fs::read(&log.path).unwrap()[..8], 24_u64.to_le_bytes());
        let first = &events(&log.path)[0];
        assert_eq!(first.file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!(first.wall_time, 1_700_000_000.25);
    }

    #[test]
    fn numbers_are_read_back_and_zero_is_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = TensorBoard::create(folder.path(), started()).unwrap();
        let zero = Scalars::new().with("loss/total", 0.0);
        log.scalars(7, &zero).unwrap();
        log.scalars(8, &Scalars::new().with("a", 1.5).with("b", f64::NAN))
            .unwrap();
        let events = events(&log.path);
        assert_eq!((events.len(), events[1].step, events[2].step), (3, 7, 8));
        let values = |event: &Event| event.summary.clone().unwrap().value;
        assert_eq!(values(&events[1]), [scalar("loss/total", 0.0)]);
        assert_eq!(values(&events[1])[0].simple_value, Some(0.0));
        let values = values(&events[2]);
        assert_eq!(
            (values[0].tag.as_str(), values[0].simple_value),
            ("a", Some(1.5))
        );
        assert!(values[1].simple_value.unwrap().is_nan());
        assert!(events[2].wall_time > 1.7e9);
    }

    #[test]
    fn a_picture_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let picture = RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8, y as u8, 9]));
        let mut log = TensorBoard::create(folder.path(), started()).unwrap();
        log.image(3, "samples", &picture).unwrap();
        let events = events(&log.path);
        let value = events[1].summary.clone().unwrap().value.remove(0);
        let image = value.image.unwrap();
        assert_eq!((image.width, image.height, image.colorspace), (5, 3, 3));
        let decoded = decode(&image.encoded_image_string, &DecodeOptions::default());
        assert_eq!(decoded.unwrap(), picture);
    }

    #[test]
    fn another_start_in_the_same_second_has_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let first = TensorBoard::create(folder.path(), started()).unwrap();
        let second = TensorBoard::create(folder.path(), started()).unwrap();
        assert_ne!(first.path, second.path);
        assert_eq!(events(&second.path).len(), 1);
    }
}
