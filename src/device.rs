//! Where to compute, from the command line.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, Result, anyhow, bail};
use burn::prelude::*;
use clap::{Args, ValueEnum};
use svg_nn::Precision;

use crate::commands::word;
use crate::faults::{Fault, in_words, panic_text};
use crate::tuned;

/// Options that every command has.
#[derive(Args, Clone, Debug)]
pub struct DeviceOptions {
    /// Where to compute: cpu, wgpu, vulkan or cuda; a number picks a card, as in cuda:1
    ///
    /// Cards of a kind count from 0. Without this option the best backend that was compiled
    /// in is used, or the one that the environment variable BURN_DEVICE names.
    #[arg(long, global = true, value_name = "DEVICE", help_heading = "Device")]
    device: Option<DeviceName>,
    /// Number type of the matrix products; everything else stays in f32
    #[arg(long, global = true, help_heading = "Device")]
    #[arg(value_enum, default_value_t)]
    dtype: Dtype,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Dtype {
    /// f32 on every device
    #[default]
    F32,
    /// f32 whose products tensor cores round to 10 bits: NVIDIA cards
    Tf32,
    Bf16,
    F16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    Cpu,
    Wgpu,
    Vulkan,
    Cuda,
}

/// `cuda:1`: a backend and, for graphics cards, which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceName {
    backend: Backend,
    index: Option<usize>,
}

impl DeviceOptions {
    /// Opens the device and tries whether it computes in the chosen number type.
    pub fn open(&self) -> Result<(Device, Precision)> {
        let name = self
            .device
            .map_or("the default device".to_string(), |name| name.to_string());
        let device = match self.device {
            Some(name) => name.find()?,
            None => quietly(default).map_err(|said| {
                failed(
                    "no device answers. Try --device cpu, or check BURN_DEVICE",
                    &said,
                )
            })?,
        };
        try_out(&device, &name)?;
        let precision = match self.dtype {
            Dtype::F32 => Precision::F32,
            Dtype::Tf32 => Precision::Tf32,
            Dtype::Bf16 => Precision::Bf16,
            Dtype::F16 => Precision::F16,
        };
        if !precision.select(&device) {
            let dtype = word(self.dtype);
            bail!("{name} does not compute in {dtype}; use --dtype f32");
        }
        Ok((device, precision))
    }

    /// The number type by its name.
    pub fn dtype(&self) -> String {
        word(self.dtype)
    }

    /// As [`open`](Self::open), for commands that compute in f32 throughout, or in what tensor cores make of it.
    pub fn open_f32(&self) -> Result<Device> {
        match self.open()? {
            (device, Precision::F32 | Precision::Tf32) => Ok(device),
            _ => bail!(
                "this command computes in f32; leave out --dtype, or say tf32 on an NVIDIA card"
            ),
        }
    }
}

/// A device for people.
pub fn describe(device: &Device) -> String {
    format!("{device:?}")
}

/// The best device that was compiled in, or that of BURN_DEVICE.
fn default() -> Device {
    tuned::prepare();
    Device::default()
}

/// A backend without its driver panics at its first operation.
fn try_out(device: &Device, name: &str) -> Result<()> {
    let probe = device.clone();
    quietly(move || (Tensor::<1>::ones([1], &probe) + 1.0).into_scalar::<f32>())
        .map(drop)
        .map_err(|said| failed(&format!("{name} does not compute"), &said))
}

/// What went wrong while a device was opened, and what to do about it.
fn failed(what: &str, said: &str) -> Error {
    match (Fault::of(said), in_words(said)) {
        // Nothing of ours is on the card yet.
        (Some(Fault::Memory), _) => anyhow!(
            "{what}: other processes hold the card's memory. `nvidia-smi` shows which; wait for them, or choose another \
             card, as in --device cuda:1"
        ),
        (_, Some(words)) => anyhow!("{what}: {words}"),
        _ => anyhow!("{what}; is its driver installed? (it says: {said})"),
    }
}

impl DeviceName {
    /// Opens the device and tries it out.
    pub fn open(self) -> Result<Device> {
        let device = self.find()?;
        try_out(&device, &self.to_string())?;
        Ok(device)
    }

    fn find(self) -> Result<Device> {
        match self.backend {
            #[cfg(feature = "flex")]
            Backend::Cpu => Ok(Device::flex()),
            #[cfg(feature = "wgpu")]
            Backend::Wgpu => self.card(burn::tensor::DeviceType::Wgpu),
            #[cfg(feature = "vulkan")]
            Backend::Vulkan => self.card(burn::tensor::DeviceType::Vulkan),
            #[cfg(feature = "cuda")]
            Backend::Cuda => self.card(burn::tensor::DeviceType::Cuda),
            #[allow(unreachable_patterns)]
            other => bail!(
                "this program was built without {self}; build it with \
                 `cargo build --release --features {}`",
                match other {
                    Backend::Cpu => "flex".to_string(),
                    card => word(card),
                }
            ),
        }
    }

    /// The card of that number among those that the backend finds.
    #[cfg(any(feature = "wgpu", feature = "vulkan", feature = "cuda"))]
    fn card(self, kind: burn::tensor::DeviceType) -> Result<Device> {
        tuned::prepare();
        let found = quietly(move || Device::enumerate(kind).into_vec())
            .map_err(|said| failed(&format!("{self} does not answer"), &said))?;
        let count = found.len();
        let index = self.index.unwrap_or(0);
        found.into_iter().nth(index).ok_or_else(|| match count {
            0 => anyhow!("no card for {self} was found; is its driver installed?"),
            _ => anyhow!("there is no {self}: {count} found, counted from 0"),
        })
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':');
        let (name, index) = parts.map_or((text, None), |(name, index)| (name, Some(index)));
        let backend = <Backend as ValueEnum>::from_str(name, false)
            .map_err(|_| "expected cpu, wgpu[:n], vulkan[:n] or cuda[:n]")?;
        if backend == Backend::Cpu && index.is_some() {
            return Err("there is one cpu; write cpu".to_string());
        }
        let number = |text: &str| {
            text.parse()
                .map_err(|_| format!("{text:?} is no card number"))
        };
        let index = index.map(number).transpose()?;
        Ok(Self { backend, index })
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&word(self.backend))?;
        match self.index {
            Some(index) => write!(f, ":{index}"),
            None => Ok(()),
        }
    }
}

/// Drivers that are absent make the backends panic; a user should read a sentence instead. What the panic said.
fn quietly<T>(work: impl FnOnce() -> T + std::panic::UnwindSafe) -> Result<T, String> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(work);
    std::panic::set_hook(hook);
    result.map_err(|payload| {
        let text = panic_text(&*payload).unwrap_or("it gives no reason");
        text.to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_printed_alike() {
        for text in ["cpu", "wgpu", "wgpu:0", "vulkan:1", "cuda:7"] {
            assert_eq!(text.parse::<DeviceName>().unwrap().to_string(), text);
        }
        for text in ["gpu", "cuda:", "cuda:x", "cpu:0", "", "cuda:-1"] {
            assert!(text.parse::<DeviceName>().is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn a_device_that_cannot_be_opened_says_what_to_do() {
        let said =
            "Unable to dynamically load the \"cuda\" shared library - searched for library names";
        let error = failed("cuda:1 does not compute", said).to_string();
        assert!(error.starts_with("cuda:1 does not compute: NVIDIA's driver is not installed"));
        let said = "called `Result::unwrap()` on an `Err` value: DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")";
        let error = failed("cuda does not compute", said).to_string();
        assert!(
            error.contains("other processes hold the card's memory"),
            "{error}"
        );
        let error = failed("wgpu does not answer", "never seen").to_string();
        assert_eq!(
            error,
            "wgpu does not answer; is its driver installed? (it says: never seen)"
        );
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn what_is_not_compiled_in_names_its_feature() {
        let error = "cuda:0".parse::<DeviceName>().unwrap().find().unwrap_err();
        assert!(error.to_string().contains("--features cuda"), "{error}");
    }
}
